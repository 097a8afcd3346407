import gzip
import io
import json
import os
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxgan.data import _packing, image_folder
from jaxgan.data.image_folder import pack
from jaxgan.errors import InputError

SIZE = 8
RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(colour, side=16, kind="PNG"):
    return encoded(Image.new("RGB", (side, side), colour), kind)


def noise(seed=0, side=24):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


FILES = {  # not in order of name
    "b/2.PNG": flat(BLUE),
    "a.jpg": encoded(Image.fromarray(noise()), "JPEG", quality=95),
    "b/10.webp": encoded(Image.fromarray(noise(1)), "WEBP", lossless=True),
    "b/c/1.jpeg": flat(GREEN, kind="JPEG"),
}
NAMES = ("a.jpg", "b/10.webp", "b/2.PNG", "b/c/1.jpeg")
OTHERS = {"notes.txt": b"x", "b/.hidden.png": b"x", "__MACOSX/b/._2.PNG": b"x", "c.md": b"x"}


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "folder", FILES | OTHERS)


@pytest.fixture
def packed(folder, cache):
    return pack(folder, SIZE, cache)


def colour(packed, name):
    return tuple(packed.images[packed.names.index(name)].mean(axis=(0, 1)).round().astype(int))


def test_a_folder_is_read_in_depth_and_in_order(packed):
    assert packed.names == NAMES
    assert packed.skipped == ()
    reason = "not an image, by its suffix"
    assert packed.others == (("c.md", reason), ("notes.txt", reason))
    assert packed.lines == ("4 of 4 images; 2 other files",)
    assert packed.images.shape == (4, SIZE, SIZE, 3)
    assert packed.images.dtype == np.uint8
    assert colour(packed, "b/2.PNG") == BLUE
    np.testing.assert_allclose(colour(packed, "b/c/1.jpeg"), GREEN, atol=2)  # JPEG is lossy


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.TGZ", "a.zip"])
def test_an_archive_is_read_as_its_folder(packed, tmp_path, cache, name):
    files = {f"./{name}": content for name, content in (FILES | OTHERS).items()}
    path = tmp_path / name
    if name.endswith("zip"):
        write_zip(path, files)
    else:
        write_tar(path, files, "w" if name.endswith("tar") else "w:gz")
    before = sorted(tmp_path.rglob("*"))
    result = pack(path, SIZE, tmp_path)
    assert result.names == NAMES
    np.testing.assert_array_equal(result.images, packed.images)
    new = set(tmp_path.rglob("*")) - set(before)
    assert sorted(file.suffix for file in new) == [".json", ".npy"]
    assert len({file.stem for file in new}) == 1
    assert result.key == packed.key  # the same names and pixels


def test_the_middle_square_is_taken_and_resized(tmp_path, cache):
    def thirds(*shape):
        image = np.zeros((*shape, 3), np.uint8)
        long = int(np.argmax(shape))
        parts = np.split(np.moveaxis(image, long, 0), 3)
        for part, value in zip(parts, (RED, GREEN, BLUE), strict=True):
            part[:] = value
        return encoded(Image.fromarray(image))

    result = pack(
        write(tmp_path / "f", {"wide.png": thirds(10, 30), "tall.png": thirds(33, 11)}),
        SIZE,
        cache,
    )
    assert (result.images == GREEN).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [64, 640])  # the second is decoded at less than full size
def test_resizing_keeps_the_picture(tmp_path, cache, kind, side):
    """A smooth picture equals its area means within 3 of 255 (LANCZOS and JPEG)."""
    ramp = np.linspace(20, 230, side)
    image = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 128.0), axis=2)
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    content = encoded(Image.fromarray(image.astype(np.uint8)), kind, **options)
    result = pack(write(tmp_path / "f", {"a.png": content}), 16, cache)
    areas = image.reshape(16, side // 16, 16, side // 16, 3).mean(axis=(1, 3))
    inside = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(result.images[0][inside], areas[inside], atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation(tmp_path, cache, orientation, kind):
    """Colours of the four corners; EXIF names where row 0 and column 0 of the file go."""
    upright = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(stored.repeat(32, 0).repeat(32, 1))
    content = encoded(image, kind, exif=exif, quality=95)
    result = pack(write(tmp_path / "f", {"a.png": content}), 64, cache)
    corners = result.images[0][8::48, 8::48]
    np.testing.assert_allclose(corners.astype(int), upright, atol=8)  # JPEG and WebP lose some


def rgba(mode="RGBA", alpha=0):
    return Image.new("RGBA", (16, 16), (*RED, alpha)).convert(mode)


def palette(**options):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([*BLACK, *RED, *BLUE])
    return encoded(image, **options)


GREY16 = np.full((16, 16), 0x8012, np.uint16)
MODES = [
    ("L", encoded(Image.new("L", (16, 16), 77)), (77, 77, 77)),
    ("1", encoded(Image.new("1", (16, 16), 1)), WHITE),
    ("1 with transparency", encoded(Image.new("1", (16, 16), 0), transparency=0), WHITE),
    ("16 bits", encoded(Image.fromarray(GREY16)), (128, 128, 128)),
    ("palette", palette(), RED),
    ("palette with transparency", palette(transparency=1), WHITE),
    ("palette with alpha", palette(transparency=bytes([255, 0, 255])), WHITE),
    ("palette with other transparency", palette(transparency=0), RED),
    ("RGBA", encoded(rgba()), WHITE),
    ("RGBA, half", encoded(rgba(alpha=128)), (255, 127, 127)),
    ("RGBA, opaque", encoded(rgba(alpha=255)), RED),
    ("LA", encoded(Image.new("LA", (16, 16), (0, 128))), (127, 127, 127)),
    ("RGB with transparency", encoded(Image.new("RGB", (9, 9), RED), transparency=RED), WHITE),
    ("WebP with alpha", encoded(rgba(), "WEBP", lossless=True), WHITE),
    ("CMYK", encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), RED),
    ("grey JPEG", encoded(Image.new("L", (16, 16), 77), "JPEG"), (77, 77, 77)),
]


@pytest.mark.parametrize(
    ("content", "expected"), [m[1:] for m in MODES], ids=[m[0] for m in MODES]
)
def test_every_mode_becomes_rgb(tmp_path, cache, content, expected):
    result = pack(write(tmp_path / "f", {"a.png": content}), SIZE, cache)
    difference = result.images[0].astype(int) - expected
    assert np.abs(difference).max() <= 2  # of 255: JPEG


def forbid_decoding(monkeypatch):
    def decode(content, size, white):
        raise AssertionError("decoded again")

    monkeypatch.setattr(_packing, "decode", decode)


@pytest.mark.parametrize("archive", [False, True])
def test_the_second_start_reads_the_cache(tmp_path, cache, folder, archive, monkeypatch):
    (folder / "bad.png").write_bytes(b"nothing")
    source = write_tar(tmp_path / "a.tar", FILES | {"bad.png": b"x"}) if archive else folder
    first = pack(source, SIZE, cache)
    forbid_decoding(monkeypatch)
    second = pack(source, SIZE, cache)
    assert isinstance(second.images, np.memmap)
    assert first[1:] == second[1:]
    assert len(second.skipped) == 1
    np.testing.assert_array_equal(first.images, second.images)


def test_the_default_cache(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    pack(folder, SIZE)
    assert len(list((tmp_path / "xdg/jaxgan/images").iterdir())) == 2


def test_another_size_and_a_changed_folder_are_packed_anew(folder, cache, packed):
    assert pack(folder, 4, cache).images.shape[1:] == (4, 4, 3)
    (folder / "d.png").write_bytes(flat(RED).ljust(200))
    more = pack(folder, SIZE, cache)
    assert more.names == (*NAMES, "d.png")
    status = (folder / "d.png").stat()
    (folder / "d.png").write_bytes(flat(BLUE).ljust(200))  # as many bytes
    os.utime(folder / "d.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert colour(pack(folder, SIZE, cache), "d.png") == BLUE
    (folder / "d.png").unlink()
    again = pack(folder, SIZE, cache)
    assert again.key == packed.key != more.key


SPOIL = {
    "array cut": (".npy", lambda p: p.write_bytes(p.read_bytes()[:-1])),
    "array empty": (".npy", lambda p: p.write_bytes(b"")),
    "array of another shape": (".npy", lambda p: np.save(p, np.zeros((4, 9, 9, 3), np.uint8))),
    "array of another type": (".npy", lambda p: np.save(p, np.zeros((4, 8, 8, 3), np.int8))),
    "pickle": (".npy", lambda p: np.save(p, np.array([{}]), allow_pickle=True)),
    "array missing": (".npy", lambda p: p.unlink()),
    "notes cut": (".json", lambda p: p.write_text(p.read_text()[:-5])),
    "notes of another kind": (".json", lambda p: p.write_text("[1]")),
    "a name too few": (".json", lambda p: p.write_text('{"names": ["a"], "skipped": []}')),
    "notes missing": (".json", lambda p: p.unlink()),
}


@pytest.mark.parametrize("case", SPOIL)
def test_a_damaged_cache_is_packed_anew(folder, cache, packed, case):
    suffix, spoil = SPOIL[case]
    images = np.array(packed.images)
    (path,) = cache.glob(f"images-*-{SIZE}{suffix}")
    good = path.read_bytes()
    spoil(path)
    again = pack(folder, SIZE, cache)
    np.testing.assert_array_equal(again.images, images)
    assert again.names == NAMES
    assert path.read_bytes() == good


def test_without_a_cache_that_can_be_written(tmp_path, folder, packed):
    (tmp_path / "file").write_text("")
    result = pack(folder, SIZE, tmp_path / "file")
    assert not isinstance(result.images, np.memmap)
    assert not result.images.flags.writeable
    assert result[1:] == packed[1:]
    np.testing.assert_array_equal(result.images, packed.images)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_disk_that_fills_up(tmp_path, packed, zipped, monkeypatch):
    source = write_tar(tmp_path / "a.tgz", FILES, "w:gz" if zipped else "w")
    real = image_folder._write_header

    def write_header(file, count, size):
        real(file, count, size)
        if count == len(FILES) and not isinstance(file, io.BytesIO):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_folder, "_write_header", write_header)
    result = pack(source, SIZE, tmp_path / "full")
    np.testing.assert_array_equal(result.images, packed.images)
    assert list((tmp_path / "full").iterdir()) == []


def png_header(width, height):
    """The beginning of a PNG file; most of the picture is missing."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)}
    chunks[b"IDAT"] = zlib.compress(bytes(999))
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks.items():
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(name + data))
    return content


UNREADABLE = {
    "empty.png": (b"", "an empty file"),
    "text.jpg": (b"hello", "not a readable image"),
    "tga.png": (encoded(Image.new("L", (9, 9)), "TGA"), "not a readable image"),
    "cut.jpg": (FILES["a.jpg"][:-200], "damaged: image file is truncated"),
    "cut.png": (encoded(Image.fromarray(noise()))[:900], "damaged: "),
    "cut.webp": (FILES["b/10.webp"][:500], "damaged: |not a readable image"),
    "just_not_too_large.png": (png_header(4096, 4096), "damaged: "),
    "just_too_large.png": (png_header(4097, 4096), "too large: more than 4096 by 4096 pixels"),
    "warned_of.png": (png_header(10000, 10000), "too large: more than 4096 by 4096 pixels"),
    "bomb.png": (png_header(60000, 60000), "too large: more than 4096 by 4096 pixels"),
    "real_41_megapixels.png": (encoded(Image.new("1", (6400, 6400))), "too large: more"),
}


@pytest.mark.parametrize("archive", [None, "a.tar", "a.zip"])
def test_unreadable_images_are_skipped_with_the_reason(tmp_path, cache, archive):
    good = {f"good{i:02}.png": flat((i, i, i)) for i in range(12)}
    files = {name: content for name, (content, _) in UNREADABLE.items()} | good
    if archive is None:
        source = write(tmp_path / "f", files)
    else:
        source = (write_zip if archive == "a.zip" else write_tar)(tmp_path / archive, files)
    result = pack(source, SIZE, cache)
    assert result.names == tuple(good)
    assert [image.mean() for image in result.images] == list(range(12))  # no gaps, in order
    assert [name for name, _ in result.skipped] == sorted(UNREADABLE)
    for name, reason in result.skipped:
        allowed = UNREADABLE[name][1].split("|")
        assert reason.startswith(tuple(allowed)), name
    plain = np.load(next(cache.glob(f"images-*-{SIZE}.npy")))
    np.testing.assert_array_equal(plain, result.images)


@pytest.mark.parametrize("archive", [None, "a.tar", "a.zip"])
def test_a_file_of_too_many_bytes_is_skipped(tmp_path, cache, archive, monkeypatch):
    monkeypatch.setattr("jaxgan.data._image_sources.MAX_BYTES", 2**16)
    files = {"a.png": flat(RED), "b.png": flat(RED) + bytes(2**16)}
    if archive is None:
        source = write(tmp_path / "f", files)
    else:
        source = (write_zip if archive == "a.zip" else write_tar)(tmp_path / archive, files)
    result = pack(source, SIZE, cache)
    assert result.names == ("a.png",)
    assert result.skipped[0][1].startswith("too large: ")
    assert result.skipped[0][1].endswith(" bytes; at most 65536 are read")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no images; .jpg, .jpeg, .jpe, .jfif, .png, "),
        (OTHERS, "has no images; .jpg, .jpeg, .jpe, .jfif, .png, "),
        (
            {"a.png": b"x"},
            "1 of 1 images cannot be read; the first, a.png: not a readable image",
        ),
        (
            {"c.png": flat(RED), "b.png": b"", "a.png": b"x"},
            "2 of 3 images cannot be read; the first, a.png: not a readable image",
        ),
    ],
)
def test_too_few_images_are_one_line(tmp_path, cache, files, message):
    (tmp_path / "f").mkdir()
    for source in (
        write(tmp_path / "f", files),
        write_tar(tmp_path / "a.tar", files),
        write_zip(tmp_path / "a.zip", files),
    ):
        with pytest.raises(InputError, match=message) as caught:
            pack(source, SIZE, cache)
        assert "\n" not in str(caught.value)
        assert not cache.exists() or list(cache.iterdir()) == []


def test_half_is_enough(tmp_path, cache):
    result = pack(write(tmp_path / "f", {"a.png": flat(RED), "b.png": b""}), SIZE, cache)
    assert result.names == ("a.png",)


def test_sources_that_are_none(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.tar")
    for source, message in {
        "": "the path of the images is empty",
        tmp_path / "missing": "no such path: .*missing",
        tmp_path / "two\nlines": r"two\\nlines",
        tmp_path / "a.rar": "neither a folder nor a .tar, .tar.gz, .tgz, .zip archive",
        tmp_path / "pipe.tar": "neither a folder nor a file",
    }.items():
        with pytest.raises(InputError, match=message):
            pack(source, SIZE)
    for size in (0, -1, 1025):
        with pytest.raises(InputError, match=f"image size is {size}; 1 to 1024"):
            pack(tmp_path, size)


def test_links_and_pipes_in_a_folder(tmp_path, folder, cache):
    """Links to folders are not followed, links to files are, pipes are not read."""
    (folder / "b/loop").symlink_to(folder)
    (folder / "elsewhere").symlink_to(write(tmp_path / "other", {"x.png": flat(RED)}))
    (folder / "link.png").symlink_to(tmp_path / "other/x.png")
    (folder / "dead.png").symlink_to("nowhere")
    (folder / "self.png").symlink_to("self.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    result = pack(folder, SIZE, cache)
    assert result.names == (*NAMES, "link.png")
    assert result.skipped == (
        ("dead.png", "cannot be read: No such file or directory"),
        ("pipe.png", "not a regular file"),
        ("self.png", "cannot be read: Too many levels of symbolic links"),
    )
    followed = "a link to a folder, which is not followed"
    assert {("b/loop", followed), ("elsewhere", followed)} <= set(result.others)
    (folder / "dead.png").unlink()
    names = [name for name, _ in pack(folder, SIZE, cache).skipped]
    assert names == ["pipe.png", "self.png"]


LINKS = {  # symbolic links
    "up/c.png": "../good.png",
    "a/chain.png": "../up/c.png",
    "blob.png": "blobs/0",
    "out.png": "../good.png",
    "root.png": "/etc/passwd",
    "round.png": "trip.png",
    "trip.png": "round.png",
    "self.png": "self.png",
    "dead.png": "nowhere.png",
    "folder.png": "blobs",
}
PROBLEMS = {
    "out.png": "a link that leads out of the archive",
    "root.png": "a link that leads out of the archive",
    "round.png": "a link to more than 40 links, or in a circle",
    "trip.png": "a link to more than 40 links, or in a circle",
    "self.png": "a link to more than 40 links, or in a circle",
    "dead.png": "a link to nowhere.png, no file of the archive",
    "folder.png": "a link to blobs, no file of the archive",
}


def add_tar_link(archive, name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    archive.addfile(member)


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.zip"])
def test_links_in_archives_lead_to_files_inside(tmp_path, cache, name):
    files = {"good.png": flat(BLUE), "blobs/0": flat(RED)}
    files |= {f"{i}.png": flat(GREEN) for i in range(8)}
    path = tmp_path / name
    if name == "a.zip":
        write_zip(path, files)
        with zipfile.ZipFile(path, "a") as archive:
            for link, target in LINKS.items():
                info = zipfile.ZipInfo(link)
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, target)
    else:
        write_tar(tmp_path / "files.tar", files)
        with tarfile.open(path, "w:gz" if name == "a.tgz" else "w") as archive:
            for link, target in LINKS.items():
                add_tar_link(archive, link, tarfile.SYMTYPE, target)
            with tarfile.open(tmp_path / "files.tar") as plain:
                for member in plain:
                    archive.addfile(member, plain.extractfile(member))
            add_tar_link(archive, "b/hard.png", tarfile.LNKTYPE, "./good.png")
    result = pack(path, SIZE, cache)
    assert dict(result.skipped) == PROBLEMS
    expected = {"good.png": BLUE, "up/c.png": BLUE, "a/chain.png": BLUE, "blob.png": RED}
    if name != "a.zip":
        expected["b/hard.png"] = BLUE
    for link, value in expected.items():
        assert colour(result, link) == value
    assert len(result.names) == len(expected) + 8
    assert result.others == (("blobs/0", "not an image, by its suffix"),)


def test_devices_in_archives_are_listed(tmp_path, cache):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        add_tar_link(archive, "device.png", tarfile.CHRTYPE)
        add_tar_link(archive, "pipe", tarfile.FIFOTYPE)
        member = tarfile.TarInfo("good.png")
        member.size = len(flat(BLUE))
        archive.addfile(member, io.BytesIO(flat(BLUE)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.png", flat(BLUE))
        archive.mkdir("folder.png")
    result = pack(tmp_path / "a.tar", SIZE, cache)
    assert result.names == pack(tmp_path / "a.zip", SIZE, cache).names == ("good.png",)
    assert result.skipped == (("device.png", "not a regular file"),)
    assert result.others == (("pipe", "not a regular file"),)


def test_a_zip_link_that_inflates_is_not_read(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.png", flat(BLUE))
        info = zipfile.ZipInfo("link.png")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, b"x" * 10**6, zipfile.ZIP_DEFLATED)
    result = pack(tmp_path / "a.zip", SIZE, cache)
    assert result.skipped == (("link.png", "a link of 1000000 bytes"),)


def test_links_of_a_published_tar_file(shared, cache):
    result = pack(shared("cases/images/links.tar"), 16, cache)
    assert result.names == ("p/a.jpg", "p/b.jpg", "p/c.jpg", "p/d.jpg")
    np.testing.assert_array_equal(result.images[0], result.images[1])
    np.testing.assert_array_equal(result.images[2], result.images[3])
    assert (result.images[0] != result.images[2]).any()


KINDS = {  # Pillow's format to suffixes
    "JPEG": (".jfif", ".jpe", ".JPG"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "PPM": (".ppm",),
    "JPEG2000": (".jp2",),
}


def test_whatever_pillow_reads_is_read_and_the_rest_is_listed(tmp_path, cache, monkeypatch):
    files = {
        f"{suffix[1:]}{suffix}": flat(BLUE, kind=kind)
        for kind, suffixes in KINDS.items()
        for suffix in suffixes
    }
    unread = {"a.heic": b"x", "b.svg": b"<svg/>", "c.CR2": b"x"}
    folder = write(tmp_path / "f", files | unread | {"labels.csv": b"x"})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = pack(folder, SIZE, cache)
    assert result.names == tuple(sorted(files))
    for name in files:
        np.testing.assert_allclose(colour(result, name), BLUE, atol=4)  # some lose a little
    assert result.skipped == (
        ("a.heic", ".heic needs PyPI's pillow-heif"),
        ("b.svg", ".svg is a format that is not read"),
        ("c.CR2", ".cr2 is a format that is not read"),
    )
    assert result.lines == (f"{len(files)} of {len(files) + 3} images; 1 other file",)


def test_a_folder_of_other_formats(shared, cache):
    result = pack(shared("cases/images/other_formats"), 16, cache)
    assert len(result.names) == 40
    assert result.lines == ("40 of 40 images",)


def ramp(top, dtype: type = np.uint16):
    return np.linspace(0, top, 256).reshape(16, 16).astype(dtype)


def png48(values):
    """A PNG file of 16 bits per colour, which Pillow does not write."""
    height, width, _ = values.shape
    rows = values.astype(">u2").reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)}
    chunks |= {b"IDAT": zlib.compress(data), b"IEND": b""}
    content = b"\x89PNG\r\n\x1a\n"
    for name, part in chunks.items():
        content += struct.pack(">I", len(part)) + name + part
        content += struct.pack(">I", zlib.crc32(name + part))
    return content


DEEP = {
    "12 bits": (encoded(Image.fromarray(ramp(4095))), 2, "up to 4095: 4095 becomes white"),
    "10 bits": (encoded(Image.fromarray(ramp(1000))), 8, "up to 1000: 1023 becomes white"),
    "16 bits": (encoded(Image.fromarray(ramp(65535))), 2, None),
    "tiff": (encoded(Image.fromarray(ramp(4095)), "TIFF"), 2, "up to 4095: 4095 becomes"),
    "floats": (encoded(Image.fromarray(ramp(1, np.float32)), "TIFF"), 2, None),
    "floats, 255": (
        encoded(Image.fromarray(ramp(255, np.float32)), "TIFF"),
        2,
        "up to 255: 255 becomes white",
    ),
    "colour": (png48(ramp(4095)[..., None].repeat(3, 2)), 17, "the lower 12 of 16 bits"),
    "colour, 16 bits": (png48(ramp(65535)[..., None].repeat(3, 2)), 2, None),
}


@pytest.mark.parametrize("case", DEEP)
def test_deep_images_are_scaled_by_what_is_there(tmp_path, cache, case):
    """All images of a folder are scaled alike: a darker one stays darker."""
    content, tolerance, remark = DEEP[case]
    suffix = ".png" if content.startswith(b"\x89PNG") else ".tif"
    result = pack(write(tmp_path / "f", {f"a{suffix}": content}), 16, cache)
    expected = ramp(255, np.float64)[..., None]
    np.testing.assert_allclose(result.images[0], expected + np.zeros(3), atol=tolerance)
    assert len(result.lines) == (1 if remark is None else 2)
    if remark is not None:
        assert remark in result.lines[1]
    assert pack(tmp_path / "f", 16, cache).lines == result.lines


def test_values_below_black_are_said(tmp_path, cache):
    images = {"a.tif": ramp(1, np.float32), "b.tif": 2 * ramp(1, np.float32) - 1}
    files = {name: encoded(Image.fromarray(x), "TIFF") for name, x in images.items()}
    assert pack(write(tmp_path / "f", files), 16, cache).lines[1:] == (
        "1 images of more than 8 bits (the first: b.tif) hold values below 0, which become "
        "black",
    )


def test_deep_images_are_scaled_alike(tmp_path, cache):
    files = {"a.png": ramp(4095), "b.png": ramp(400), "d.png": ramp(200)}
    files = {name: encoded(Image.fromarray(values)) for name, values in files.items()}
    result = pack(write_tar(tmp_path / "a.tar", files | {"c.png": flat(RED)}), 16, cache)
    assert [result.images[i].max() for i in (0, 1, 3)] == [255, 25, 12]
    assert colour(result, "c.png") == RED
    assert result.lines[1:] == (
        "1 of 3 images of more than 8 bits are nearly black, because a.png has values up to "
        "4095",
        "3 images of more than 8 bits (the first: a.png) hold values up to 4095: 4095 becomes "
        "white",
    )


def test_the_key_is_of_the_content(tmp_path, folder, cache, packed):
    """It does not depend on the path and the time of a file."""
    os.utime(folder / "a.jpg", (1, 1))
    assert pack(folder, SIZE, cache).key == packed.key
    assert pack(write(tmp_path / "copy", FILES), SIZE, cache).key == packed.key
    assert pack(write_tar(tmp_path / "a.tar", FILES), SIZE, cache).key == packed.key
    (folder / "a.jpg").write_bytes(flat(RED))
    assert pack(folder, SIZE, cache).key != packed.key


def test_a_later_member_replaces_an_earlier_one(tmp_path, cache):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of the double name
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.png", flat(RED))
            archive.writestr("a.png", flat(BLUE))
    write_tar(tmp_path / "a.tar", {"a.png": flat(RED), "./a.png": flat(BLUE)})
    for name in ("a.tar", "a.zip"):
        result = pack(tmp_path / name, SIZE, cache)
        assert result.names == ("a.png",)
        assert colour(result, "a.png") == BLUE


def test_names_of_any_bytes(tmp_path, cache, monkeypatch):
    """Names are kept as they are, and printed on one line of printable characters."""
    raw = [b"\xff\xfe.png", b"new\nline.png", b"\x1b[31m.png", "\u202eexe.png".encode()]
    raw += ["größe 写真.png".encode(), "\N{GRINNING FACE}.png".encode()]
    folder = tmp_path / "f"
    folder.mkdir()
    for number, name in enumerate(raw):
        for base, content in ((name, flat(RED)), (name[:-4] + b"_bad.png", b"x")):
            with open(os.path.join(os.fsencode(folder), base), "wb") as file:
                file.write(content + bytes(number))
    result = pack(folder, SIZE, cache)
    assert sorted(os.fsencode(name) for name in result.names) == sorted(raw)
    for name, _ in result.skipped:
        assert name.isprintable()
        name.encode()  # no lone surrogates
    printed = {name for name, _ in result.skipped}
    assert {r"new\nline_bad.png", r"\udcff\udcfe_bad.png", "größe 写真_bad.png"} <= printed
    forbid_decoding(monkeypatch)
    assert pack(folder, SIZE, cache)[1:] == result[1:]
    write_tar(tmp_path / "a.tar", {os.fsdecode(name): flat(RED) for name in raw})
    with pytest.raises(AssertionError, match="decoded again"):
        pack(tmp_path / "a.tar", SIZE, cache)
    monkeypatch.undo()
    assert pack(tmp_path / "a.tar", SIZE, cache).names == result.names


MANY = {f"{i:02}.png": encoded(Image.fromarray(noise(i))) for i in range(20)}


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.zip"])
@pytest.mark.parametrize("spoil", ["cut", "overwritten", "nothing", "text"])
def test_damaged_archives_are_one_line(tmp_path, cache, name, spoil):
    path = tmp_path / name
    if name == "a.zip":
        write_zip(path, MANY)
    else:
        write_tar(path, MANY, "w:gz" if name == "a.tgz" else "w")
    content = path.read_bytes()
    third = len(content) // 3
    path.write_bytes(
        {
            "cut": content[: 2 * third],
            "overwritten": content[:third] + b"\xa5" * (len(content) - third),
            "nothing": b"",
            "text": b"hello\n" * 999,
        }[spoil]
    )
    with pytest.raises(InputError, match=f"{name} is not a readable archive: .") as caught:
        pack(path, SIZE, cache)
    assert "\n" not in str(caught.value)


def test_a_tar_file_cut_between_members_is_not_taken_for_whole(tmp_path, cache):
    path = write_tar(tmp_path / "a.tar", MANY)
    with tarfile.open(path) as archive:
        offset = archive.getmember("11.png").offset
    content = path.read_bytes()
    for cut in (content[:offset], content[:offset] + b"x" * 512 + content[offset + 512 :]):
        path.write_bytes(cut)
        with pytest.raises(InputError, match="cut short or damaged"):
            pack(path, SIZE, cache)


def test_a_gzipped_tar_file_with_a_wrong_checksum(tmp_path, cache):
    path = write_tar(tmp_path / "a.tgz", MANY, "w:gz")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="CRC check failed"):
        pack(path, SIZE, cache)


@pytest.mark.parametrize("size", [-512, -1024, -(2**70), 2**40, 2**70])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_tar_header_that_lies_about_the_size(tmp_path, cache, size, kind, zipped):
    """It causes neither an endless loop nor a large allocation."""
    first = tarfile.TarInfo("a.png")
    first.size = 512
    liar = tarfile.TarInfo("b.png")
    liar.size, liar.type = size, kind
    content = first.tobuf() + bytes(512) + liar.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    path = tmp_path / "a.tar"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError, match="not a readable archive"):
        pack(path, SIZE, cache)


def test_a_tar_header_that_inflates_is_not_read_whole(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("jaxgan.data._image_sources.MAX_BYTES", 2**16)
    long = tarfile.TarInfo("name")
    long.size, long.type = 2**20, tarfile.GNUTYPE_LONGNAME
    content = long.tobuf() + bytes(2**20) + tarfile.TarInfo("a.png").tobuf() + bytes(1024)
    (tmp_path / "a.tgz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match="a part of 1048576 bytes"):
        pack(tmp_path / "a.tgz", SIZE, cache)


def test_a_zip_member_inflates_to_no_more_than_it_says(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.png", flat(RED))
        archive.writestr("liar.png", bytes(5 * 10**7), zipfile.ZIP_DEFLATED)
        archive.getinfo("liar.png").file_size = 100
    tracemalloc.start()
    try:
        result = pack(tmp_path / "a.zip", SIZE, cache)
        assert tracemalloc.get_traced_memory()[1] < 10**7  # bytes at the peak
    finally:
        tracemalloc.stop()
    assert result.skipped == (("liar.png", "damaged: Bad CRC-32 for file 'liar.png'"),)


def test_members_of_a_zip_file_that_cannot_be_read(tmp_path, cache):
    path = tmp_path / "a.zip"
    good = {"a.png": flat(RED), "b.png": flat(BLUE), "c.png": flat(GREEN), "d.png": flat(RED)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in good.items():
            archive.writestr(name, content)
        archive.writestr("bzip2.png", flat(RED), zipfile.ZIP_BZIP2)
        archive.writestr("encrypted.png", flat(RED))
        archive.writestr("wrong.png", b"0123456789" * 9)
        archive.getinfo("encrypted.png").flag_bits |= 1
    content = path.read_bytes().replace(b"0123456789", b"0123456780", 1)
    path.write_bytes(content)
    result = pack(path, SIZE, cache)
    assert result.names == tuple(good)
    assert dict(result.skipped) == {
        "bzip2.png": "compressed by method 12; 0 and 8 are read",
        "encrypted.png": "encrypted",
        "wrong.png": "damaged: Bad CRC-32 for file 'wrong.png'",
    }


def mutate(content, rng):
    """Change, cut, repeat or drop some bytes, mostly near the headers."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at = int(min(rng.exponential(len(content) / 4), len(content) - 1))
        length = int(rng.integers(1, 9))
        match rng.integers(4):
            case 0:
                content[at : at + length] = rng.bytes(length)
            case 1:
                del content[at : at + length]
            case 2:
                content[at:at] = content[at : at + length]
            case 3 if rng.random() < 0.2:
                del content[max(at, 1) :]
    return bytes(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM"])
def test_mutated_images_are_read_or_skipped(tmp_path, cache, kind):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(Image.fromarray(noise()), kind, exif=exif)
    files = {f"{i:03}_whole.png": whole for i in range(200)}
    files |= {f"{i:03}_mutated.png": mutate(whole, rng) for i in range(200)}
    result = pack(write(tmp_path / "f", files), SIZE, cache)
    assert len(result.names) + len(result.skipped) == 400
    assert sum(name.endswith("_whole.png") for name in result.names) == 200
    assert result.skipped
    assert all(len(reason) < 150 and reason.isprintable() for _, reason in result.skipped)
    json.dumps(result.skipped)


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.zip"])
def test_mutated_archives_are_read_or_refused(tmp_path, cache, name):
    rng = np.random.default_rng(1)
    path = tmp_path / name
    few = dict(list(MANY.items())[:3])
    if name == "a.zip":
        write_zip(path, few)
    else:
        write_tar(path, few, "w:gz" if name == "a.tgz" else "w")
    content = path.read_bytes()
    errors = []
    for _ in range(100):
        path.write_bytes(mutate(content, rng))
        try:
            assert len(pack(path, SIZE, cache).names) >= 1
        except InputError as error:
            errors.append(str(error))
    assert errors
    assert not any("\n" in error for error in errors)


def test_what_pillow_logs_of_an_image_is_listed_instead(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    for name in "abc":
        Image.new("RGB", (8, 8), "red").save(tmp_path / "in" / f"{name}.tif")
    path = tmp_path / "in" / "a.tif"
    samples = bytes.fromhex("1501 0300 01000000")  # per pixel: the tag, its type, one of them
    content = path.read_bytes()
    assert content.count(samples + b"\3\0") == 1
    path.write_bytes(content.replace(samples + b"\3\0", samples + b"\xff\xff"))
    packed = pack(tmp_path / "in", 8, cache=tmp_path / "cache")
    assert packed.names == ("b.tif", "c.tif")
    assert [name for name, _ in packed.skipped] == ["a.tif"]
    assert caplog.records == []
