import re
import tracemalloc

import numpy as np
import pytest
import scipy.io

from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.metrics.coverage import coverage
from jaxgan.metrics.transport import wasserstein

CLOUD = np.random.default_rng(0).normal(size=(30, 2))


@pytest.mark.parametrize("name", points.POINT_CLOUDS)
def test_built_in_clouds_are_the_same_every_time(name):
    cloud = points.load(name)
    assert cloud.points.shape == (8192, 2)
    assert np.isfinite(cloud.points).all()
    np.testing.assert_array_equal(cloud.points, points.load(name).points)
    assert len(np.unique(cloud.points, axis=0)) == 8192


@pytest.mark.parametrize(
    ("name", "count"),
    [("ring", 8), ("grid", 25), ("grid100", 100), ("swiss_roll", 24), ("moons", 16)],
)
def test_samples_of_a_cloud_reach_all_its_modes(name, count):
    cloud = points.load(name)
    assert cloud.modes is not None
    assert len(cloud.modes) == count
    modes, quality, _ = coverage(cloud.points, cloud.modes, cloud.radius)
    assert modes == count
    assert quality > 0.98  # three standard deviations in the plane hold 98.9 %


def test_m_has_the_shape_of_the_reports_file(shared):
    """Its distance to the file is at most 1.5 times that of the file's halves."""
    real = points.load(str(shared("data/points.mat"))).points
    mine = points.load("m").points
    assert mine.shape == real.shape
    np.testing.assert_allclose(mine.mean(axis=0), real.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(mine.std(axis=0), real.std(axis=0), rtol=0.05)
    np.testing.assert_allclose(mine.min(axis=0), real.min(axis=0), atol=0.08)
    np.testing.assert_allclose(mine.max(axis=0), real.max(axis=0), atol=0.08)
    rng = np.random.default_rng(0)
    real, mine = rng.permutation(real), rng.permutation(mine)
    floor = wasserstein(real[:1000], real[1000:2000])
    assert wasserstein(mine[:1000], real[:1000]) < 1.5 * floor


def test_split_is_a_shuffle_by_seed():
    train, test = points.split(CLOUD, 20, seed=1)
    assert (len(train), len(test)) == (20, 10)
    both = np.concatenate([train, test])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(CLOUD, axis=0))
    again, _ = points.split(CLOUD, 20, seed=1)
    np.testing.assert_array_equal(train, again)
    other, _ = points.split(CLOUD, 20, seed=2)
    assert (train != other).any()


@pytest.mark.parametrize("compressed", [False, True])
def test_mat_files(tmp_path, compressed):
    path = tmp_path / "cloud.mat"
    content = {"xx": CLOUD, "other": CLOUD[:15]}
    scipy.io.savemat(path, content, do_compression=compressed)
    np.testing.assert_array_equal(points.load(str(path)).points, CLOUD)
    np.testing.assert_array_equal(points.load(str(path), "other").points, CLOUD[:15])


def test_mat_files_of_version_4(tmp_path):
    cloud = np.zeros((60, 2), np.uint8)
    cloud[48, 1] = 15  # where version 5 has the mark of a compressed variable
    scipy.io.savemat(tmp_path / "cloud.mat", {"xx": cloud}, format="4")
    assert (tmp_path / "cloud.mat").read_bytes()[128:132] == bytes([0, 0, 0, 15])
    np.testing.assert_array_equal(points.load(str(tmp_path / "cloud.mat")).points, cloud)


@pytest.mark.parametrize("version", ["4", "5"])
def test_mat_files_of_every_number(tmp_path, version):
    kinds = ("f8", "f4", "i4", "i2", "u2", "u1") + ("i1", "u4", "i8", "u8") * (version == "5")
    variables = {kind: (9 * CLOUD).round().clip(0).astype(kind) for kind in kinds}
    path = tmp_path / "cloud.mat"
    scipy.io.savemat(path, variables, format=version)
    for kind, cloud in variables.items():
        np.testing.assert_array_equal(points.load(str(path), kind).points, cloud)


def test_mat_files_that_say_more_than_they_hold_are_refused(tmp_path):
    path = tmp_path / "cloud.mat"
    scipy.io.savemat(path, {"xx": CLOUD})
    content = path.read_bytes()
    size, shape = len(CLOUD).to_bytes(4, "little"), (2).to_bytes(4, "little")
    assert content.count(size + shape) == 1
    for lie in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", bytes(4), b"\x1d\0\0\0"):
        path.write_bytes(content.replace(size + shape, lie + shape))
        with pytest.raises(InputError, match="not a readable .mat file"):
            points.load(str(path))
    path.write_bytes(content.replace((480).to_bytes(4, "little"), b"\xf0\xff\xff\xff"))
    with pytest.raises(InputError, match="truncated or damaged"):
        points.load(str(path))
    for value, kind in (
        ({"a": 1}, "struct"),
        (np.array([["b"]], object), "cell"),
        ("a", "text"),
    ):
        scipy.io.savemat(path, {"before": np.array([[1, "a"]], object), "xx": value})
        with pytest.raises(InputError, match=f"is a {kind}, not real numbers"):
            points.load(str(path))
    scipy.io.savemat(path, {"a\x1b": CLOUD})
    with pytest.raises(InputError, match=r"it has: a\\x1b$"):
        points.load(str(path))


def test_signalling_numbers_are_refused_without_a_warning(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 2), 0x7FA00000, np.uint32).view(np.float32))
    with pytest.raises(InputError, match="20 points that are not finite"):
        points.load(str(tmp_path / "a.npy"))


def test_npy_and_csv_files(tmp_path):
    np.save(tmp_path / "a.npy", CLOUD.astype(np.float32))
    loaded = points.load(str(tmp_path / "a.npy")).points
    np.testing.assert_array_equal(loaded, CLOUD.astype(np.float32))
    assert loaded.dtype == np.float64
    text = "\n".join(f"{x!r},{y!r}" for x, y in CLOUD.tolist())
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text("x,y\n" + text + "\n\n")
    for name in ("a.csv", "b.csv"):
        np.testing.assert_array_equal(points.load(str(tmp_path / name)).points, CLOUD)


TEXT = [[f"{x:.4f}" for x in row] for row in CLOUD]
TABLE = np.array(TEXT, float)


def table(separator, *header, decimal=".", quote="", index=None):
    """The points as text."""
    rows = [[quote + x.replace(".", decimal) + quote for x in row] for row in TEXT]
    if index is not None:
        rows = [[str(index + i), *row] for i, row in enumerate(rows)]
    return "\n".join([*header, *(separator.join(row) for row in rows)])


TABLES = {
    "pandas without its index": (table(",", "0,1"), "the first row, 0,1, numbers the columns"),
    "pandas": (table(",", ",0,1", index=0), "numbers the columns|numbers the rows"),
    "R": (table(" ", '"x" "y"', index=1), "the first column numbers the rows"),
    "numpy": (table(" ", "# x y"), None),
    "semicolons": (table(";", "x;y"), None),
    "decimal commas": (table(";", "x;y", decimal=","), None),
    "quotes": (table(";", '"x";"y"', decimal=",", quote='"'), None),
    "a line for Excel": (table(";", "sep=;", decimal=","), None),
    "tabs": (table("\t", "id\tx\ty", index=0), "the first column numbers the rows"),
    "blanks": (table("   ", decimal=","), None),
    "bars": (table("|"), None),
    "text": ("x,y,kind\n" + table(",").replace("\n", ",cat\n") + ",cat", "do not hold"),
    "separators at the end": (table(",").replace("\n", ",\n") + ",", "do not hold"),
    "umlauts": (table(",", "L\xe4nge,H\xf6he"), None),
    "Fortran": ("\n".join(" ".join(x + "D+00" for x in row) for row in TEXT), None),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_tables_of_other_programs(tmp_path, name, encoding):
    text, note = TABLES[name]
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    cloud = points.load(str(path))
    np.testing.assert_array_equal(cloud.points, TABLE)
    notes = [x for x in cloud.notes if "Latin-1" not in x]
    assert bool(notes) == bool(note)
    assert all(re.search(note or "", x) for x in notes)
    assert len(cloud.notes) - len(notes) == (name == "umlauts" and encoding == "latin-1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_tables_with_signs_and_names_of_typesetters(tmp_path, encoding):
    text = table(",", "ширина,высота").replace("-", "\N{MINUS SIGN}")
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    np.testing.assert_array_equal(points.load(str(tmp_path / "a.csv")).points, TABLE)


def test_commas_that_may_separate_thousands_are_said(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{i + 1},{i:03};{i}" for i in range(20)]
    path.write_text("\n".join(rows))
    cloud = points.load(str(path))
    assert cloud.points[3].tolist() == [4.003, 3]
    assert cloud.notes == (f"{path}: commas are decimal commas: 1,000 is 1",)
    path.write_text("\n".join([*rows, "0,125;1"]))
    assert points.load(str(path)).notes == ()


def test_columns_by_name_and_by_number(tmp_path):
    path = tmp_path / "a.csv"
    rows = ["t,y,x", *(f"7,{y},{x}" for x, y in TEXT)]
    path.write_text("\n".join(rows))
    for columns in (("x", "y"), ("2", "1")):
        np.testing.assert_array_equal(points.load(str(path), columns=columns).points, TABLE)
    with pytest.raises(InputError, match="no column 'z'; it has: t, y, x"):
        points.load(str(path), columns=("x", "z"))
    with pytest.raises(InputError, match="--columns=x: columns must be two"):
        points.load(str(path), columns=("x",))
    path.write_text("\n".join(["x,x,y", *rows[1:]]))
    with pytest.raises(InputError, match=r"\(0, 1, y\); choose two with --columns=1,y"):
        points.load(str(path))
    with pytest.raises(InputError, match="several columns 'x'; choose by numbers from 0"):
        points.load(str(path), columns=("x", "y"))
    with pytest.raises(InputError, match="--columns=y,2 is the same column of .* twice"):
        points.load(str(path), columns=("y", "2"))
    np.save(tmp_path / "a.npy", CLOUD)
    with pytest.raises(InputError, match="columns are for .csv files only"):
        points.load(str(tmp_path / "a.npy"), columns=("x", "y"))


def test_real_tables(shared):
    plain = points.load(str(shared("cases/points/plain.csv"))).points
    paths = sorted(shared("cases/points").glob("*.csv"))
    assert len(paths) >= 9
    for path in paths:
        np.testing.assert_array_equal(points.load(str(path)).points, plain)
    assert plain.std(axis=0)[1].round(3) == 0.197
    assert len(plain) == 300


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float32, np.float64, "csv"])
def test_memory_is_at_most_four_times_the_file(tmp_path, kind):
    """Conversions and checks need no more, either."""
    rng = np.random.default_rng(0)
    path = tmp_path / ("a.csv" if kind == "csv" else "a.npy")
    if kind == "csv":
        path.write_text("".join(f"{x},{y}\n" for x, y in rng.random((40_000, 2)).round(5)))
    else:
        count = 2**22 // np.dtype(kind).itemsize
        np.save(path, rng.integers(0, 100, size=(count // 2, 2)).astype(kind))
    tracemalloc.start()
    cloud = points.load(str(path)).points
    points.digest(cloud)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * path.stat().st_size
    assert len(cloud) > 30_000


def test_points_of_bytes_are_split_as_floats(tmp_path):
    cloud = np.random.default_rng(0).integers(0, 255, size=(60, 2)).astype(np.uint8)
    np.save(tmp_path / "a.npy", cloud)
    loaded = points.load(str(tmp_path / "a.npy")).points
    np.testing.assert_array_equal(loaded, cloud)
    assert points.digest(loaded) == points.digest(cloud.astype(np.float64))
    assert all(x.dtype == np.float64 for x in points.split(loaded, 40, 0))


def bomb(path):
    """A small file that inflates to more than the limit."""
    scipy.io.savemat(path, {"xx": np.zeros((5_000_000, 2))}, do_compression=True)
    assert path.stat().st_size < 2**20


def marked_bomb(path):
    """The same, with a byte order mark that readers take in different ways."""
    bomb(path)
    content = path.read_bytes()
    path.write_bytes(content[:126] + b"XX" + content[128:])


def lying_npy(path):
    np.save(path, CLOUD)
    path.write_bytes(path.read_bytes().replace(b"(30, 2)", b"(9999999999, 2)", 1))


BAD = {
    "a.mat": [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "not a file"),
        (lambda p: p.write_bytes(b""), "not a readable .mat"),
        (lambda p: p.write_text("hello " * 100), "not a readable .mat"),
        (lambda p: p.write_bytes(bytes(200)), "not a readable .mat|has no variable 'xx'"),
        (lambda p: scipy.io.savemat(p, {"b": CLOUD, "a": 1}), "no variable 'xx'; it has: a, b"),
        (lambda p: scipy.io.savemat(p, {"xx": CLOUD[:, :1]}), r"shape \[30, 1\]"),
        (lambda p: scipy.io.savemat(p, {"xx": CLOUD.reshape(5, 6, 2)}), r"shape \[5, 6, 2\]"),
        (lambda p: scipy.io.savemat(p, {"xx": "text"}), "not real numbers"),
        (lambda p: scipy.io.savemat(p, {"xx": CLOUD * 1j}), "is a complex, not real"),
        (lambda p: scipy.io.savemat(p, {"xx": {"a": CLOUD}}), "is a struct"),
        (lambda p: scipy.io.savemat(p, {"xx": CLOUD[:5]}), "5 points; at least 10"),
        (marked_bomb, "not a readable .mat|inflates"),
        (bomb, "inflates to more than the limit of 64 MiB"),
        (lambda p: p.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM"), "HDF5"),
    ],
    "a.npy": [
        (lambda p: p.write_bytes(b""), "not a readable .npy"),
        (lambda p: np.save(p, np.array([{}]), allow_pickle=True), "not a readable .npy"),
        (lambda p: np.save(p, np.where(CLOUD > 1, np.nan, CLOUD)), "not finite, the first in"),
        (lambda p: np.save(p, np.ones((20, 2))), "only copies of one point"),
        (lambda p: np.save(p, CLOUD * 1e35), "beyond 1e30"),
        (lambda p: np.save(p, CLOUD * 1e-170), "differ by .*e-1.. only"),
        (lying_npy, "not a readable .npy"),
    ],
    "a.csv": [
        (lambda p: p.write_bytes(b"\xff\xfe\x00"), "not a text file"),
        (lambda p: p.write_bytes(b"1,2\n\0\0"), "not a text file"),
        (lambda p: p.write_text("1" * 99999), "line 1: longer than 65536 characters"),
        (lambda p: p.write_text('x,y\n"1,2\n' + "1,2\n" * 50000), "not a readable table"),
        (lambda p: p.write_text("1;2\n1.5;2,5\n"), r"points \(line 2\) and commas \(line 2\)"),
        (lambda p: p.write_text("1\n2\n"), "has 1 column; none of"),
        (
            lambda p: p.write_text("a;b;c\n" + "1;2;3\n" * 20),
            r"3 columns, separated by ';' \(a, b, c\); choose two with --columns=b,c",
        ),
        (lambda p: p.write_text("x,y\n1_0,2\n"), "line 2: '1_0,2'"),
        (
            lambda p: p.write_text(",x\n0,7\n1,8\n2,8\n"),
            "the first numbers the rows; --columns=0,1",
        ),
        (lambda p: p.write_text("1,2\n3,four\n"), "line 2: '3,four'"),
        (lambda p: p.write_text("1,O.5\n" + "1,2\n" * 20), "line 1: '1,O.5'"),
        (lambda p: p.write_text("1,2\n3\n"), "different lengths"),
        (
            lambda p: p.write_text("x,y\n" + "1,5,-2,5\n" * 20),
            "and its header 2; save decimal commas with ';' between the columns",
        ),
        (
            lambda p: p.write_text("1,5,-2,5\n" * 20),
            "--columns=2,3; save decimal commas with ';'",
        ),
        (
            lambda p: p.write_text('"1,5","2,25"\n' * 20),
            "line 2: .* where commas separate the columns, numbers have a decimal point",
        ),
        (lambda p: p.write_text("x;y\n1.000,5;2,5\n"), "line 2: .* no separators of thousands"),
        (lambda p: p.write_text("x;y\n1 000;2\n"), "line 2: .* no separators of thousands"),
        (lambda p: p.write_text("x,y\n1,2\nNA,1\n"), "line 3: 'NA,1' .* a value is missing"),
        (lambda p: p.write_text("x,y\n1,2\n,1\n"), "line 3: ',1' .* a value is missing"),
        (lambda p: p.write_text("x,y\nmm,mm\n1,2\n"), "line 2: .* only one header line"),
        (lambda p: p.write_text(",".join("123456")), "and 1 row; each point has a row"),
        (lambda p: p.write_text("1,2"), "has 1 point; at least 10"),
        (lambda p: p.write_text(""), "shape"),
    ],
    "a.txt": [(lambda p: p.write_text("1,2"), "neither a built-in point cloud")],
}


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [(name, *case) for name, cases in BAD.items() for case in cases],
)
def test_bad_files_are_one_clear_line(name, make, message, tmp_path):
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        points.load(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_mat_file_cut_short_anywhere_is_refused(tmp_path, compressed):
    path = tmp_path / "whole.mat"
    scipy.io.savemat(path, {"xx": CLOUD}, do_compression=compressed)
    content = path.read_bytes()
    cut = tmp_path / "cut.mat"
    for size in range(0, len(content), 13):
        cut.write_bytes(content[:size])
        inside = size >= 128 + 8  # behind the headers of the file and of the variable
        message = (
            "is truncated or damaged" if inside else "not a readable .mat|no variable 'xx'"
        )
        with pytest.raises(InputError, match=message):
            points.load(str(cut))


def test_unknown_cloud_lists_the_known_ones():
    with pytest.raises(
        InputError, match="choose from m, ring, grid, grid100, swiss_roll, moons"
    ):
        points.sample("square")
