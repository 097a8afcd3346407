"""Choose the only checkpoint among the files of an archive or a folder, by their names."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from jaxgan.convert.formats._bounds import Refused

_SUFFIXES = {
    *(".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".safetensors", ".pt2"),
    *(".tar", ".tgz", ".gz", ".zip"),
}
_STANDARD_NAMES = (  # names that Hugging Face's libraries use; files beside them are not models
    "model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
)
_PARTS = tuple(f"{name}.index.json" for name in _STANDARD_NAMES)
_MOST_NAMES = 3  # most names in a message


def only(names: Iterable[str]) -> str | None:
    """Return the name of the only checkpoint; None if there is none.

    Raises:
      Refused: If there are several, or if one is split into parts.
    """
    files = [name for name in names if not _is_hidden(PurePosixPath(name))]
    for standard in _STANDARD_NAMES:
        matches = [name for name in files if PurePosixPath(name).name == standard]
        if len(matches) == 1:
            return matches[0]
    for name in files:
        if PurePosixPath(name).name in _PARTS:
            raise Refused(f"holds a model in several files ({_spell([name])}): save it as one")
    checkpoints = [name for name in files if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    if len(checkpoints) > 1:
        raise Refused(
            f"holds {len(checkpoints)} checkpoints: {_spell(checkpoints)}; give one of them "
            "alone"
        )
    return checkpoints[0] if checkpoints else None


def _is_hidden(path: PurePosixPath) -> bool:
    """Return whether the operating system added a file, as macOS does to zip archives."""
    return "__MACOSX" in path.parts or path.name.startswith(".")


def _spell(names: list[str]) -> str:
    text = ", ".join(ascii(name[:80])[1:-1] for name in names[:_MOST_NAMES])
    return text + ", ..." if len(names) > _MOST_NAMES else text
