import gzip
import hashlib
import io
import os
import urllib.error
import urllib.request

import numpy as np
import pytest

from jaxgan.data import fashion_mnist
from jaxgan.data._class_names import recognise
from jaxgan.errors import InputError

RNG = np.random.default_rng(0)
PARTS = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (12, 28, 28), np.uint8),
    "train-labels-idx1-ubyte": np.arange(12, dtype=np.uint8) % 10,
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (5, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte": np.arange(5, dtype=np.uint8),
}
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = PARTS


def idx(array, code=8, shape=None):
    shape = array.shape if shape is None else shape
    extents = b"".join(extent.to_bytes(4, "big") for extent in shape)
    return bytes([0, 0, code, len(shape)]) + extents + array.tobytes()


def write(folder, suffix="", dot=False, **changed):
    """The four files, some with another array."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in PARTS.items():
        content = idx(changed.get(name.split("-ubyte")[0].replace("-", "_"), array))
        stem = name.replace("-idx", ".idx") if dot else name
        data = gzip.compress(content) if suffix else content
        (folder / f"{stem}{suffix}").write_bytes(data)
    return folder


def check(images):
    np.testing.assert_array_equal(images.train_images[..., 0], PARTS[IMAGES])
    np.testing.assert_array_equal(images.train_labels, PARTS[LABELS])
    np.testing.assert_array_equal(images.test_images[..., 0], PARTS[TEST_IMAGES])
    np.testing.assert_array_equal(images.test_labels, PARTS[TEST_LABELS])
    assert images.train_images.shape == (12, 28, 28, 1)
    assert [array.dtype for array in images[:4]] == [np.uint8, np.int32] * 2
    assert images.classes == tuple("0123456789")


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """No files anywhere, and no network."""

    def refuse(url, timeout):
        raise urllib.error.URLError("no network\nin tests")

    monkeypatch.delenv("JAXGAN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dot", [False, True])
def test_plain_gzipped_and_dotted_files(tmp_path, suffix, dot):
    check(fashion_mnist.load(write(tmp_path / "a", suffix, dot)))


def test_a_gzipped_file_needs_no_suffix(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(idx(PARTS[LABELS])))
    np.testing.assert_array_equal(fashion_mnist.read_idx(path), PARTS[LABELS])


def test_a_file_in_a_folder_of_its_name(tmp_path):
    """Kaggle's copy of MNIST has both side by side."""
    for suffix in ("", ".gz"):
        plain = write(tmp_path / f"plain{suffix}", suffix)
        for file in list(plain.iterdir()):
            content = file.read_bytes()
            file.unlink()
            file.mkdir()
            (file / file.name).write_bytes(content)
        check(fashion_mnist.load(plain))
        dotted = write(tmp_path / f"dotted{suffix}", suffix, dot=True)
        for file in list(dotted.iterdir()):
            (dotted / file.name.replace(".idx", "-idx")).mkdir()
        check(fashion_mnist.load(dotted))


def write_emnist(folder, split, **changed):
    write(folder / "as mnist", ".gz", **changed)
    for file in (folder / "as mnist").iterdir():
        name = file.name.replace("t10k", "test")
        file.rename(folder / f"emnist-{split}-{name}")
    (folder / "as mnist").rmdir()
    return folder


def test_emnist_has_names_and_stands_upright(tmp_path):
    """Its letters are numbered from 1, and its pictures are transposed."""
    train = np.arange(12, dtype=np.uint8) + 1
    test = np.full(5, 26, np.uint8)
    folder = write_emnist(
        tmp_path / "a", "letters", train_labels_idx1=train, t10k_labels_idx1=test
    )
    images = fashion_mnist.load(folder)
    assert images.about == "EMNIST letters, put upright"
    assert images.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    np.testing.assert_array_equal(images.train_labels, np.arange(12))
    np.testing.assert_array_equal(images.test_labels, 25)
    np.testing.assert_array_equal(images.train_images[..., 0], PARTS[IMAGES].swapaxes(1, 2))
    np.testing.assert_array_equal(images.test_images[..., 0], PARTS[TEST_IMAGES].swapaxes(1, 2))
    write_emnist(folder, "balanced", train_labels_idx1=train + 34)
    with pytest.raises(InputError, match="several data sets; add .*emnist-balanced, emnist-l"):
        fashion_mnist.load(folder)
    with pytest.raises(InputError, match="no such directory: .*emnist-none"):
        fashion_mnist.load(folder / "emnist-none")
    assert fashion_mnist.load(folder / "emnist-letters").classes == images.classes
    images = fashion_mnist.load(folder / "emnist-balanced")
    assert images.train_labels.max() == 46
    assert images.classes[46] == "t"
    bad = write_emnist(tmp_path / "b", "letters")
    with pytest.raises(InputError, match="EMNIST letters has labels from 1; one is 0"):
        fashion_mnist.load(bad)


# Codes of the characters, label by label, as NIST's emnist-*-mapping.txt list them.
LARGE, SMALL = [*range(48, 58), *range(65, 91)], [*range(97, 123)]
MAPPINGS = {
    "letters": (1, [*range(65, 91)]),
    "balanced": (0, [*LARGE, 97, 98, 100, 101, 102, 103, 104, 110, 113, 114, 116]),
    "bymerge": (0, [*LARGE, 97, 98, 100, 101, 102, 103, 104, 110, 113, 114, 116]),
    "byclass": (0, [*LARGE, *SMALL]),
    "digits": (0, [*range(48, 58)]),
    "mnist": (0, [*range(48, 58)]),
}


@pytest.mark.parametrize("split", MAPPINGS)
def test_splits_of_emnist_have_the_published_names(tmp_path, split):
    first, codes = MAPPINGS[split]
    labels = np.arange(first, first + len(codes), dtype=np.uint8)
    upright = RNG.integers(0, 256, (len(labels), 28, 28), np.uint8)
    # Its images are mirrored, and turned to the left by a quarter.
    stored = np.rot90(upright[:, :, ::-1], axes=(1, 2))
    part = {"train_images_idx3": stored, "train_labels_idx1": labels}
    part |= {"t10k_images_idx3": stored, "t10k_labels_idx1": labels}
    images = fashion_mnist.load(write_emnist(tmp_path, split, **part))
    assert images.about == f"EMNIST {split}, put upright"
    assert [ord(images.classes[label]) for label in images.test_labels] == codes
    np.testing.assert_array_equal(images.train_images[..., 0], upright)


def test_data_sets_are_known_by_their_labels():
    """Counts and largest labels are those of EMNIST's paper, arXiv 1702.05373, table II."""
    letters = np.arange(124_800) % 26 + 1
    known = recognise(letters.astype(np.uint8), np.full(20_800, 26, np.uint8))
    assert (known.about, known.first, known.transposed) == ("EMNIST letters", 1, True)
    few = recognise(letters[:88_800].astype(np.uint8), np.full(14_800, 26, np.uint8))
    assert few == known
    mixed = (np.arange(697_932) % 62).astype(np.uint8)
    known = recognise(mixed, np.zeros(116_323, np.uint8))
    assert (known.about, len(known.classes), known.classes[-1]) == ("EMNIST byclass", 62, "z")
    assert not known.first
    digits = (np.arange(60_000) % 10).astype(np.uint8)  # MNIST's, or others
    known = recognise(digits, np.zeros(10_000, np.uint8))
    assert (known.about, known.classes) == ("numbered classes", tuple("0123456789"))
    assert not known.transposed
    assert recognise(np.array([49], np.uint8), np.array([2], np.uint8)).classes[-1] == "49"


def test_names_of_classes(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("Katze\n\nHund \nгусь\n", "utf-8")
    assert fashion_mnist.read_names(path, 3) == ("Katze", "Hund", "гусь")
    with pytest.raises(InputError, match="has 3 names; there are 10 classes"):
        fashion_mnist.read_names(path, 10)
    path.write_text("a\na\n")
    with pytest.raises(InputError, match="has a name twice"):
        fashion_mnist.read_names(path, 2)
    path.write_text("a\n\x1b[2J\n")
    with pytest.raises(InputError, match="characters that cannot be printed"):
        fashion_mnist.read_names(path, 2)
    path.write_bytes(b"\xff\n")
    for bad in (path, tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="cannot read names of classes"):
            fashion_mnist.read_names(bad, 2)


def test_where_it_looks_first(tmp_path, monkeypatch):
    """The argument, then JAXGAN_DATA, then Debian's files, then the cache."""
    places = [
        tmp_path / "cache" / "jaxgan" / "fashion-mnist",
        tmp_path / "debian",
        tmp_path / "variable",
        tmp_path / "argument",
    ]
    for number, place in enumerate(places):
        write(place, train_labels_idx1=np.full(12, number, np.uint8))
        if place.name == "variable":
            monkeypatch.setenv("JAXGAN_DATA", str(place))
        argument = place if place.name == "argument" else None
        assert (fashion_mnist.load(argument).train_labels == number).all(), place


def test_debians_files_are_passed_over_if_one_is_missing(tmp_path):
    (write(tmp_path / "debian") / LABELS).unlink()
    write(tmp_path / "cache" / "jaxgan" / "fashion-mnist")
    check(fashion_mnist.load())


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InputError, match="cannot read .*: Permission denied$"):
        fashion_mnist.load(write(tmp_path / "a"))


def test_a_folder_asked_for_is_never_passed_over(tmp_path, monkeypatch):
    write(tmp_path / "debian")
    with pytest.raises(InputError, match="no such directory: nowhere$"):
        fashion_mnist.load("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty has no train-images-idx3-ubyte, plain or"):
        fashion_mnist.load(tmp_path / "empty")
    monkeypatch.setenv("JAXGAN_DATA", "nowhere")
    with pytest.raises(InputError, match=r"no such directory: nowhere \(from JAXGAN_DATA\)"):
        fashion_mnist.load()


def test_offline_the_line_says_how_to_get_the_files(tmp_path):
    message = "cannot be downloaded .*no network in tests.*dataset-fashion-mnist.*--data=DIR"
    with pytest.raises(InputError, match=message) as caught:
        fashion_mnist.load()
    assert "\n" not in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        with pytest.raises(InputError, match="cannot be downloaded"):
            fashion_mnist.load()


@pytest.fixture
def server(monkeypatch):
    """Published files that are small: ``{address: content}``; counts what is fetched."""
    files, fetched = {}, []
    table = {}
    for name, array in PARTS.items():
        content = gzip.compress(idx(array), mtime=0)
        files[f"{fashion_mnist._URL}/{name}.gz"] = content
        table[name] = (len(content), hashlib.sha256(content).hexdigest())

    def urlopen(url, timeout):
        assert 0 < timeout <= 60
        fetched.append(url)
        return io.BytesIO(files[url])

    monkeypatch.setattr(fashion_mnist, "_FILES", table)
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return files, fetched


def test_downloads_once(server, tmp_path):
    _, fetched = server
    check(fashion_mnist.load())
    check(fashion_mnist.load())
    assert len(fetched) == 4
    names = {path.name for path in (tmp_path / "cache/jaxgan/fashion-mnist").iterdir()}
    assert names == {f"{name}.gz" for name in PARTS}


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: b"<html>", lambda c: b""]
)
def test_a_download_that_is_not_the_published_file_is_not_kept(server, tmp_path, spoil):
    files, fetched = server
    address = f"{fashion_mnist._URL}/{TEST_IMAGES}.gz"
    good = files[address]
    files[address] = spoil(good)
    with pytest.raises(InputError, match="t10k-images.* sent are not the published file"):
        fashion_mnist.load()
    cache = tmp_path / "cache/jaxgan/fashion-mnist"
    assert {path.name for path in cache.iterdir()} == {f"{IMAGES}.gz", f"{LABELS}.gz"}
    files[address] = good
    check(fashion_mnist.load())
    assert len(fetched) == 3 + 2  # what had arrived whole is not fetched again


def test_a_download_that_cannot_be_put_in_place_leaves_nothing(server, tmp_path, monkeypatch):
    def replace(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(InputError, match="cannot be downloaded .*No space left"):
        fashion_mnist.load()
    assert list((tmp_path / "cache/jaxgan/fashion-mnist").iterdir()) == []


def damaged_gzip(content):
    packed = bytearray(gzip.compress(content))
    packed[len(packed) // 2] ^= 0xFF
    return bytes(packed)


WHOLE = idx(PARTS[IMAGES])
BAD = [
    (b"", "begins with nothing"),
    (b"\0\0\x08", "begins with 00 00 08, not"),
    (b"\x89PNG\r\n\x1a\n", "begins with 89 50 4e 47, not with 00 00 08 03 or 00 00 08 01"),
    (idx(PARTS[IMAGES], shape=(12, 784)), "begins with 00 00 08 02"),
    (idx(PARTS[IMAGES], code=0x0D), "IDX type 0x0d; only 0x08"),
    (WHOLE[:13], "cut short in its header"),
    (WHOLE[:-1], "9408 bytes, but only 9407 follow"),
    (WHOLE + b"\0", "9408 bytes, but more follow"),
    (gzip.compress(WHOLE[:-1]), "only 9407 follow"),
    (gzip.compress(WHOLE + bytes(10**7)), "more follow"),
    (gzip.compress(WHOLE)[:-9], "damaged gzip"),
    (gzip.compress(WHOLE)[:-1], "damaged gzip"),
    (gzip.compress(WHOLE) + b"more", "damaged gzip"),
    (damaged_gzip(WHOLE), "damaged gzip"),
    (b"\x1f\x8b", "damaged gzip"),
    (idx(PARTS[IMAGES], shape=(0, 28, 28)), "1 to 671088640 are allowed"),
    (idx(PARTS[IMAGES], shape=(2**32 - 1,) * 3), "1 to 671088640 are allowed"),
    (idx(PARTS[IMAGES], shape=(2**29,)), "but only 9408 follow"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_bad_files_are_one_clear_line(tmp_path, content, message):
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        fashion_mnist.read_idx(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(InputError, match="not a file"):
        fashion_mnist.read_idx(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        fashion_mnist.read_idx(tmp_path / "missing")


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, packed):
    content = gzip.compress(WHOLE) if packed else WHOLE
    path = tmp_path / "cut"
    for size in range(0, len(content), 61):
        path.write_bytes(content[:size])
        with pytest.raises(InputError):
            fashion_mnist.read_idx(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_images_idx3": PARTS[IMAGES][:, :27]}, r"\[12, 27, 28\]; images are"),
        ({"train_images_idx3": PARTS[LABELS]}, r"\[12\]; images are"),
        ({"train_labels_idx1": PARTS[IMAGES]}, r"\[12, 28, 28\]; labels are"),
        ({"train_labels_idx1": PARTS[LABELS][:-1]}, "12 images, but .* has 11 labels"),
    ],
)
def test_files_that_do_not_fit(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        fashion_mnist.load(write(tmp_path / "a", **changed))


def test_the_published_files(monkeypatch):
    """Debian's copies differ from these only in the gzip header, which is restored here."""
    monkeypatch.undo()
    folder = fashion_mnist._DEBIAN
    if not folder.exists():
        pytest.skip(f"needs Debian's package dataset-fashion-mnist in {folder}")
    images = fashion_mnist.load(folder)
    assert images.train_images.shape == (60000, 28, 28, 1)
    assert images.test_images.shape == (10000, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(images.train_labels), 6000)
    np.testing.assert_array_equal(np.bincount(images.test_labels), 1000)
    assert images.classes == fashion_mnist.CLASSES
    assert images.about == "Fashion-MNIST"
    assert len(images.classes) == 10
    for name, (size, digest) in fashion_mnist._FILES.items():
        seconds = 1504176606 if name.startswith("train") else 1504176627
        header = b"\x1f\x8b\x08\x08" + seconds.to_bytes(4, "little") + b"\0\x03"
        packed = (folder / f"{name}.gz").read_bytes()[10:]
        published = header + name.encode() + b"\0" + packed
        assert len(published) == size
        assert hashlib.sha256(published).hexdigest() == digest
