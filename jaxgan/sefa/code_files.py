"""Read files of codes that NumPy, PyTorch, projectors and encoders save."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.convert.formats import npz, torchfile
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.sefa.edit import SPACES, as_codes, check_space

_SPACES_OF = {
    "z": ("z",),
    "w": ("w+", "w"),
    "w+": ("w+",),
}  # spaces that arrays with these names may be in
_PROJECTION = ".latent"  # ends the names in a file of rosinality's projector


def read_codes(
    generator: Pretrained,
    path: str | Path,
    space: str | None = None,
    say: Callable[[str], None] = lambda line: None,
    **truncation: Any,
) -> np.ndarray:
    """Read codes from a file, without running code from it.

    An array named ``z``, ``w`` or ``w+`` is read as such; of several, the last in this order
    is read. Otherwise the first of these spaces that fits an array is chosen, and all
    arrays that fit it are read:

    * ``w+``: ``[N, L, D]``, or ``[L, D]`` for one person,
    * ``w``: ``[N, D]`` or ``[D]``,
    * ``z``: ``[N, Z]``, ``[N, Z, 1, 1]`` or ``[Z]``; the only space of a generator without
      layers.

    An array named ``w`` may hold ``w+`` codes, as NVlabs' projector saves them. The latents
    that rosinality's projector saves are ``w+``.

    Args:
      generator: The generator of the codes.
      path: An ``.npz`` or ``.npy`` file, or a file of ``torch.save``.
      space: One of ``SPACES``; the arrays are then read as codes of this space.
      say: Called with one line if all arrays also fit another space, or if some fit none.
      **truncation: As for ``Pretrained.codes``; ``w+`` is not truncated.

    Returns:
      Codes ``[N, L, D]``, or ``[N, D]`` for a generator without layers.

    Raises:
      InputError: If the file holds no codes of this generator.

    Examples:
      ``codes = jaxgan.sefa.read_codes(generator, "projected_w.npz")``
    """
    arrays = _arrays(Path(path), generator.num_layers)
    names = [name for name in SPACES if name in arrays]
    name = space if space in arrays else names[-1] if names else None
    if name is not None:
        arrays = {name: arrays[name]}
    check_space(generator, space or name or "z")
    spaces = _SPACES_OF[name] if name else SPACES[::-1] if generator.num_layers else ("z",)
    if space is not None:
        spaces = (space,)
    readings = {one: fit for one in spaces if (fit := _fitting(generator, arrays, one))}
    shape = list(next(iter(arrays.values())).shape)
    if not readings:
        raise InputError(f"{path} holds no codes, {_shapes(generator, spaces)}, but {shape}")
    first, *others = readings
    if 2 * len(readings[first]) < len(
        arrays
    ):  # these are weights, and some of them happen to fit
        raise InputError(
            f"{path} is not a file of codes: of its {len(arrays)} arrays, "
            f"{len(readings[first])} have the shape of codes {first}"
        )
    codes = np.concatenate(readings[first])
    if len(readings[first]) < len(arrays):
        say(f"{path}: {len(readings[first])} of {len(arrays)} arrays are codes {first}")
    elif others and len(readings[others[0]]) == len(arrays):
        other, count = others[0], sum(map(len, readings[others[0]]))
        one, them = f"array {shape} is", "it"
        if len(arrays) > 1:
            one, them = f"{len(arrays)} arrays are", "them"
        say(
            f"{path}: its {one} read as {first} (people: {len(codes)}); space={other} reads "
            f"{them} as {other} (people: {count})"
        )
    return np.asarray(as_codes(generator, codes, first, **truncation))


def _arrays(path: Path, layers: int) -> dict[str, np.ndarray]:
    """Read the numeric arrays of a file; the array of an ``.npy`` is named ``""``."""
    readers = {".npz": npz.read, ".npy": _read_npy}
    arrays = readers.get(path.suffix.lower(), torchfile.tensors)(path)
    arrays = {n: array for n, array in arrays.items() if array.dtype.kind in "fiu"}
    arrays = {n: array for n, array in arrays.items() if array.size}
    if not arrays:
        raise InputError(f"{path} holds no codes: it has no array of numbers")
    latents = [array for name, array in arrays.items() if name.endswith(_PROJECTION)]
    if latents and len({array.shape for array in latents}) == 1:
        codes = np.stack(latents)
        if codes.ndim == 2:  # one code for all layers
            codes = np.repeat(codes[:, None], layers, axis=1)
        return {"w+": codes}
    return arrays


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    try:
        return {"": np.lib.format.open_memmap(path, mode="r")}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # NumPy raises many kinds of errors for a bad header
        raise InputError(f"{path} is not an .npy file of numbers") from error


def _fitting(
    generator: Pretrained, arrays: Mapping[str, np.ndarray], space: str
) -> list[np.ndarray]:
    """Return the arrays that fit a space, each with a leading axis of people."""
    one = _shape(generator, space)
    fitting = []
    for array in arrays.values():
        shape = array.shape[:2] if array.shape[2:] == (1, 1) and space == "z" else array.shape
        if shape[-len(one) :] == one and len(shape) - len(one) in (0, 1):
            fitting.append(array.reshape(-1, *one))
    return fitting


def _shape(generator: Pretrained, space: str) -> tuple[int, ...]:
    """Return the shape of one person's codes."""
    if space == "z":
        return (generator.z_dim,)
    return (generator.num_layers,) * (space == "w+") + (generator.latent_dim,)


def _shapes(generator: Pretrained, spaces: Sequence[str]) -> str:
    shapes = {space: ", ".join(map(str, _shape(generator, space))) for space in spaces}
    return " or ".join(f"{space} of shape [N, {shape}]" for space, shape in shapes.items())
