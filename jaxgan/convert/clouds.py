"""Generators of points: the ``generator.npz`` of the points laboratory.

``jaxgan.convert.points`` loads one, and its example uses it.
"""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array
from jax.typing import ArrayLike

from jaxgan.convert.formats import npz
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.errors import InputError
from jaxgan.networks.mlp import Generator
from jaxgan.runtime import replacing
from jaxgan.training.gan import LATENTS

FILE = "generator.npz"
MODEL = "points"
_UNITS = ("units.mean", "units.scale")
_FEATURES = 2
_LARGEST = {"latent_dim": 4096, "width": 65536, "widths": 64}


class Cloud(NamedTuple):
    """A generator of points with its weights.

    Attributes:
      settings: ``model`` and ``widths`` of ``mlp.Generator``; ``latent_dim`` and ``latent``,
        length and distribution of a latent, the latter a name in ``LATENTS``.
      params: ``variables`` of the network, and ``mean`` and ``scale`` ``[1, 2]``, which
        convert its outputs to the data's own units.
    """

    settings: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def latent_dim(self) -> int:
        """Length of a latent."""
        return self.settings["latent_dim"]

    @property
    def sample(self) -> Callable[[Any, Array], Array]:
        """Function ``(params, z [N, D]) -> [N, 2]`` in the data's own units."""
        network = Generator(tuple(self.settings["widths"]))

        def sample(params: Any, z: Array) -> Any:
            with jax.default_matmul_precision("highest"):
                points: Any = network.apply(params["variables"], z)
            return points * params["scale"] + params["mean"]

        return sample

    def points(self, z: ArrayLike) -> Array:
        """Map latents ``[N, D]`` to points ``[N, 2]`` float32 in the data's own units.

        Raises:
          InputError: If the latents have another shape.
        """
        z = jnp.asarray(z, jnp.float32)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise InputError(f"latents have shape {list(z.shape)}, not [N, {self.latent_dim}]")
        return _sample(tuple(self.settings["widths"]))(self.params, z)


@functools.cache
def _sample(widths: tuple[int, ...]) -> Callable[[Any, Array], Array]:
    return jax.jit(Cloud({"widths": widths}, {}).sample)


def save(path: Path, cloud: Cloud) -> None:
    """Write a generator of points to an ``.npz`` file, which ``load`` reads."""
    content = np.frombuffer(json.dumps(dict(cloud.settings)).encode(), np.uint8)
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, settings=content, **arrays_of(cloud))


def arrays_of(cloud: Cloud) -> dict[str, np.ndarray]:
    """Return the arrays by name: paths of the Flax tree, and ``mean`` and ``scale``."""
    flat = traverse_util.flatten_dict(dict(cloud.params["variables"]), sep=".")
    flat |= {name: cloud.params[name.removeprefix("units.")] for name in _UNITS}
    return {name: np.ascontiguousarray(x, np.float32) for name, x in flat.items()}


def is_settings(settings: Any) -> bool:
    """Return whether a file's settings are those of a generator of points."""
    return isinstance(settings, Mapping) and settings.get("model") == MODEL


def load(path: Path) -> Cloud | None:
    """Read the ``generator.npz`` of a run; None if it holds a generator of images.

    Args:
      path: Path of the file, or of the run's folder.

    Raises:
      InputError: If the file cannot be read or is damaged.
    """
    file = path / FILE if path.is_dir() else path
    arrays = npz.read(file)
    try:
        settings = json.loads(arrays.pop("settings", np.zeros(0, np.uint8)).tobytes())
    except (ValueError, RecursionError):
        return None
    return assemble(file, arrays, settings) if is_settings(settings) else None


def assemble(file: Path, arrays: Mapping[str, np.ndarray], settings: Any) -> Cloud:
    """Make a generator from arrays and settings.

    Raises:
      InputError: If they are damaged.
    """
    match settings:
        case {"latent_dim": int(dim), "widths": [*widths], "latent": str(law)} if (
            0 < dim <= _LARGEST["latent_dim"]
            and 0 < len(widths) <= _LARGEST["widths"]
            and all(type(x) is int and 0 < x <= _LARGEST["width"] for x in widths)
            and law in LATENTS
        ):
            network = Generator(tuple(widths))
        case _:
            raise InputError(f"{file} is not a generator that jaxgan wrote")
    like = jax.ShapeDtypeStruct((1, dim), np.float32)
    shapes: Any = jax.eval_shape(network.init, jax.random.key(0), like)
    state = StateDict(Checkpoint(str(file), None, arrays), "", "generator of points")
    flat: dict[Any, Any] = traverse_util.flatten_dict(shapes)
    variables = {name: state.take(".".join(name), x.shape) for name, x in flat.items()}
    units = {name: state.take(f"units.{name}", (1, _FEATURES)) for name in ("mean", "scale")}
    state.finish()
    blueprint = {"model": MODEL, "widths": widths, "latent_dim": dim, "latent": law}
    return Cloud(blueprint, {"variables": traverse_util.unflatten_dict(variables), **units})
