"""Sound input files of eight kinds, in parts that can be damaged one at a time."""

import gzip
import io
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from PIL import Image

CHECKPOINTS = Path(__file__).parents[2] / "tests" / "data" / "checkpoints"
STEM = "sample"


class Sample(NamedTuple):
    """A sound file.

    Attributes:
      suffix: Of its name.
      parts: Name to content. Damage to one lies below the checksums of the file.
      join: Makes the file of the parts.
    """

    suffix: str
    parts: Mapping[str, bytes]
    join: Callable[[Mapping[str, bytes]], bytes]


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
      samples: Sound files.
      read: Reads a file; the folder is for whatever the reader keeps.
    """

    samples: Callable[[], list[Sample]]
    read: Callable[[Path, Path], Any]


def _whole(suffix: str, content: bytes) -> Sample:
    return Sample(suffix, {"file": content}, lambda parts: parts["file"])


def _points(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 2))


def _mat() -> list[Sample]:
    def write(**options):
        file = io.BytesIO()
        scipy.io.savemat(file, {"xx": _points(), "names": np.eye(3)}, **options)
        return file.getvalue()

    plain = write()
    size = 8 + int.from_bytes(plain[132:136], "little")
    parts = {"first": plain[128 : 128 + size], "second": plain[128 + size :]}

    def deflate(parts):
        chunks = [zlib.compress(part) for part in parts.values()]
        return plain[:128] + b"".join(struct.pack("<II", 15, len(p)) + p for p in chunks)

    return [
        _whole(".mat", plain),
        _whole(".mat", write(format="4")),
        Sample(".mat", parts, deflate),
    ]


def _npy() -> list[Sample]:
    def sample(array, version=None):
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version)
        return _whole(".npy", file.getvalue())

    points = _points()
    return [
        sample(points),
        sample(np.asfortranarray(points.astype(">f4"))),
        sample((100 * points).astype(np.int8), (2, 0)),
    ]


def _tables() -> list[Sample]:
    rows = _points().tolist()
    plain = "x,y\n" + "".join(f"{x},{y}\n" for x, y in rows)
    spreadsheet = '"x";"y";"note"\r\n' + "".join(
        f'{x:.4f};{y:.4f};"a ""b"""\r\n'.replace(".", ",") for x, y in rows
    )
    index = "".join(
        f"\t{i}\t{x:.3e}\t{y:.3e}\n".removeprefix("\t") for i, (x, y) in enumerate(rows)
    )
    blanks = "# x y\n" + "".join(f"{x:10.4f} {y:10.4f}\n" for x, y in rows)
    texts = [
        plain.encode(),
        spreadsheet.encode("latin-1"),
        ("\tx\ty\n" + index).encode("utf-16"),
        blanks.encode("utf-8-sig"),
    ]
    return [_whole(".csv", text) for text in texts]


def _labels() -> list[Sample]:
    rng = np.random.default_rng(0)
    rows = [(f"{i:06d}.jpg", *rng.choice([-1, 1], 3).tolist()) for i in range(30)]
    kaggle = "image_id,Male,Smiling,Young\n" + "".join(
        f"{','.join(map(str, row))}\n" for row in rows
    )
    official = f"{len(rows)}\nMale Smiling Young \n" + "".join(
        f"{row[0]}  {'  '.join(f'{x:2d}' for x in row[1:])}\n" for row in rows
    )
    return [_whole(".csv", kaggle.encode()), _whole(".txt", official.encode())]


def pictures(count: int = 12, side: int = 16) -> dict[str, bytes]:
    """Make small pictures in several formats, 16-bit and transparent ones among them."""
    rng = np.random.default_rng(0)
    files = {}
    for number in range(count):
        suffix, mode = (
            ("png", "RGB"), ("jpg", "RGB"), ("gif", "P"), ("bmp", "RGB"), ("png", "I;16"),
            ("tif", "RGB"), ("webp", "RGB"), ("ppm", "RGB"), ("png", "RGBA"),
        )[number % 9]  # fmt: skip
        shape = (side, side + number % 3, len(mode)) if mode.startswith("RGB") else (side, side)
        kind = np.uint16 if mode == "I;16" else np.uint8
        image = Image.fromarray(rng.integers(0, 256, shape).astype(kind))
        file = io.BytesIO()
        image.save(file, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
        files[f"{number:02d}.{suffix}"] = file.getvalue()
    return files


def _zip() -> list[Sample]:
    def sample(method):
        def join(parts):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", method) as archive:
                for name, content in parts.items():
                    archive.writestr(name, content)
                link = zipfile.ZipInfo("link.png")
                link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(link, "00.png")
            return file.getvalue()

        return Sample(".zip", pictures(), join)

    return [sample(zipfile.ZIP_STORED), sample(zipfile.ZIP_DEFLATED)]


def _tar() -> list[Sample]:
    def sample(suffix, press):
        def join(parts):
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode="w") as archive:
                for name, content in parts.items():
                    info = tarfile.TarInfo(f"faces/{name}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
                for name, kind in (("hard", tarfile.LNKTYPE), ("soft", tarfile.SYMTYPE)):
                    info = tarfile.TarInfo(f"faces/{name}.png")
                    info.type = kind
                    info.linkname = "faces/00.png" if name == "hard" else "00.png"
                    archive.addfile(info)
            return press(file.getvalue())

        return Sample(suffix, pictures(), join)

    return [sample(".tar", bytes), sample(".tar.gz", lambda c: gzip.compress(c, mtime=0))]


def _idx() -> list[Sample]:
    rng = np.random.default_rng(0)
    images = b"\0\0\x08\x03" + struct.pack(">III", 10, 28, 28) + rng.bytes(7840)
    labels = b"\0\0\x08\x01" + struct.pack(">I", 10) + bytes(range(10))

    def compress(parts):
        return gzip.compress(parts["file"], mtime=0)

    return [
        _whole("", images),
        _whole("", labels),
        Sample(".gz", {"file": images}, compress),
    ]


def _generators() -> list[Sample]:
    from jaxgan.convert import own

    def zip_parts(content):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}

        def join(parts):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for name, part in parts.items():
                    archive.writestr(name, part)
            return file.getvalue()

        return parts, join

    arrays = {"a": np.ones((4, 3), np.float32), "b": np.zeros(3, np.float32)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / own.FILE
        own.save(path, {"model": own.OWN, "latent_dim": 4}, arrays)
        run_content = path.read_bytes()
    files = {
        path.name: path.read_bytes()
        for path in sorted(CHECKPOINTS.iterdir())
        if path.suffix != ".npz"
    }
    samples = [_whole(Path(name).suffix, content) for name, content in files.items()]
    samples.append(Sample(".npz", *zip_parts(run_content)))
    samples += [
        Sample(Path(name).suffix, *zip_parts(content))
        for name, content in files.items()
        if zipfile.is_zipfile(io.BytesIO(content))
    ]
    return samples


def _read_points(path: Path, folder: Path) -> Any:
    from jaxgan.data import points

    return points.load(str(path))


def _read_labels(path: Path, folder: Path) -> Any:
    from jaxgan.data import labels

    return labels.read_labels(path)


def _read_pictures(path: Path, folder: Path) -> Any:
    from jaxgan.data import image_folder

    return image_folder.pack(path, 8, cache=folder)


def _read_idx(path: Path, folder: Path) -> Any:
    from jaxgan.data import fashion_mnist

    return fashion_mnist.read_idx(path)


def _read_generator(path: Path, folder: Path) -> Any:
    import jaxgan

    return jaxgan.load(path)


KINDS = {
    "mat": Kind(_mat, _read_points),
    "npy": Kind(_npy, _read_points),
    "points": Kind(_tables, _read_points),
    "labels": Kind(_labels, _read_labels),
    "zip": Kind(_zip, _read_pictures),
    "tar": Kind(_tar, _read_pictures),
    "idx": Kind(_idx, _read_idx),
    "generators": Kind(_generators, _read_generator),
}
