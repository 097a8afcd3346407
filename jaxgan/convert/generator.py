"""Trained generators: their codes, images and style matrices.

The example of ``jaxgan.load`` shows how to use them.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxgan.convert.options import label_rows
from jaxgan.errors import InputError
from jaxgan.networks.layers import compiler_options
from jaxgan.networks.winograd import KERNELS, may_pay
from jaxgan.training import devices

MAX_LATENT = 4096
MEAN_LATENTS = 4096  # latents to estimate the mean code from, if a file has none
_BATCHES = 4  # batches of MEAN_LATENTS latents for the covariance of codes
# Random keys must differ: seeds are for people; folded into seed 0, the first few numbers
# are for the covariance, and this one is for the mean code.
_MEAN = 2**31


class Style(NamedTuple):
    """A matrix through which a code enters the network, which SeFa factorises.

    Attributes:
      name: Name of the matrix in the file.
      layer: Index of the layer whose code it takes; 0 if codes are latents.
      weight: ``[rows, D]`` float32 as stored, one row per style channel, without factors
        common to all rows.
      to_rgb: Whether it belongs to a toRGB layer (a conversion to colours).
    """

    name: str
    layer: int
    weight: np.ndarray
    to_rgb: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Pretrained:
    """A generator with its weights; ``jaxgan.load`` returns one, and its example uses it.

    Attributes:
      flavour: Network and source, such as ``genforce StyleGAN2``.
      resolution: Height and width of the images in pixels.
      latent_dim: Length D of a code.
      num_layers: Number L of codes per image, one for each layer; 0 if codes are latents.
      params: Parameters of ``encode`` and ``synthesise``.
      encode: ``(params, z [N, Z]) -> [N, D]``, the mapping network; ``[N, L, D]`` if it makes
        one code per layer. A conditional generator takes labels ``[N, num_labels]`` as a
        third argument.
      synthesise: ``(params, codes) -> [N, H, W, C]``, with codes ``[N, L, D]``, or
        ``[N, D]`` if ``num_layers`` is 0. C is 1, 3 or 4; the fourth channel is opacity, from
        -1 to 1. With ``transforms`` it takes transforms ``[N, 3, 3]`` as a third argument.
      styles: Matrices through which codes enter, from the coarsest layer to the finest.
      average: Mean code ``[D]`` or ``[L, D]`` for truncation; None if the file has none.
      z_dim: Length Z of a latent; D by default.
      num_labels: Length of a label; 0 if the generator is not conditional.
      labels: ``[M, num_labels]`` float32, which latents take in turn.
      origin: Which generator of a file this is, and what else the file holds.
      transforms: Whether it can rotate and shift its images, as StyleGAN3 can.
      prepare: ``(params, codes [1, ...]) -> dict``: precomputes values of the parameters for
        ``synthesise``, which uses them if they are added to the parameters. Only the shape
        of the codes matters.
      blueprint: Architecture, for export: a ``Blueprint``, or the settings of a network that
        jaxgan trained.
      mesh: Devices that share the images of a call if their number divides equally.
    """

    flavour: str
    resolution: int
    latent_dim: int
    num_layers: int
    params: Any
    encode: Callable[..., Array]
    synthesise: Callable[..., Array]
    styles: tuple[Style, ...]
    average: np.ndarray | None = None
    z_dim: int = 0
    num_labels: int = 0
    labels: np.ndarray | None = None
    origin: str = ""
    transforms: bool = False
    prepare: Callable[[Any, Array], dict[str, Any]] = lambda params, codes: {}
    blueprint: Any = None
    mesh: Mesh | None = None

    def __post_init__(self):
        object.__setattr__(self, "z_dim", self.z_dim or self.latent_dim)
        for length in (self.latent_dim, self.z_dim):
            if not 0 < length <= MAX_LATENT:
                raise InputError(
                    f"{self.flavour} with latents of length {length}: up to {MAX_LATENT} are "
                    "allowed"
                )

    def with_labels(self, labels: npt.ArrayLike) -> "Pretrained":
        """Return a copy of a conditional generator whose latents take these labels in turn.

        Args:
          labels: A class, classes ``[M]`` from 0, or rows ``[M, num_labels]``.

        Raises:
          InputError: If the labels are invalid, or the generator is not conditional.
        """
        rows = label_rows(labels, self.num_labels, self.flavour)
        return dataclasses.replace(self, labels=rows)

    def codes(
        self,
        z: ArrayLike,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
        first: int = 0,
    ) -> Array:
        """Encode latents ``[N, Z]`` as codes ``[N, L, D]``; ``[N, D]`` without layers.

        Args:
          z: Standard normal latents ``[N, Z]``.
          truncation: Factor of the distance from the mean code; ignored without layers.
          truncation_layers: Truncate only the first so many layers; all by default.
          first: Index of the first latent; the labels are taken in turn by index.

        Raises:
          InputError: If an argument has the wrong shape or (for NumPy arrays) is not finite,
            or if the generator is conditional and has no labels.
        """
        w = self._encode_in_turn(self._check(z, (None, self.z_dim), "latents"), first)
        if not self.num_layers:
            return w
        wide = w if w.ndim == 3 else jnp.repeat(w[:, None], self.num_layers, axis=1)
        return self.truncate(wide, truncation, truncation_layers)

    def truncate(
        self, codes: ArrayLike, truncation: float = 1.0, truncation_layers: int | None = None
    ) -> Array:
        """Scale codes ``[N, L, D]`` towards the mean code; arguments as for ``codes``."""
        codes = self._check(codes, self.code_shape, "codes")
        if not np.isfinite(truncation):
            raise InputError(f"truncation {truncation} must be a finite number")
        first = self.num_layers if truncation_layers is None else truncation_layers
        if truncation == 1 or not self.num_layers or first <= 0:
            return codes
        mean = self.mean_code if self.average is None else jnp.asarray(self.average)
        factor = np.where(np.arange(self.num_layers) < first, truncation, 1.0)[None, :, None]
        mean = jnp.broadcast_to(mean, codes.shape[1:])[None]
        return mean + factor.astype(np.float32) * (codes - mean)

    def images(self, codes: ArrayLike, transform: ArrayLike | None = None) -> Array:
        """Synthesise images ``[N, H, W, 3]``, float32 around [-1, 1], not clipped.

        Images with opacity are composited over white. On a CPU, gradients of large images are
        fastest inside a ``jax.jit`` with ``jaxgan.networks.layers.compiler_options()``.

        Args:
          codes: Codes of shape ``code_shape``.
          transform: Where to draw the images, ``[3, 3]`` or ``[N, 3, 3]``: see
            ``transforms.placement``. Only for generators with ``transforms``.

        Raises:
          InputError: If an argument has the wrong shape or (for NumPy arrays) is not finite,
            or if the generator takes no transform.
        """
        codes = self._check(codes, self.code_shape, "codes")
        if not self.transforms:
            if transform is not None:
                raise InputError(f"{self.flavour} cannot turn or shift its images")
            return self._synthesise(self._synthesis_params, codes)
        transform = np.eye(3) if transform is None else transform
        shape = (3, 3) if np.ndim(transform) == 2 else (len(codes), 3, 3)
        transform = self._check(transform, shape, "transforms")
        transform = jnp.broadcast_to(transform.reshape(-1, 3, 3), (len(codes), 3, 3))
        return self._synthesise(self._synthesis_params, codes, transform)

    @property
    def code_shape(self) -> tuple[int | None, ...]:
        """Shape of codes; None stands for their number."""
        layers = (self.num_layers,) if self.num_layers else ()
        return (None, *layers, self.latent_dim)

    @functools.cached_property
    def mean_code(self) -> Array:
        """Mean code ``[D]`` or ``[L, D]`` of ``MEAN_LATENTS`` latents with a fixed seed."""
        with jax.ensure_compile_time_eval():  # a tracer must not outlive its function
            key = jax.random.fold_in(jax.random.key(0), _MEAN)
            z = jax.random.normal(key, (MEAN_LATENTS, self.z_dim))
            return self._encode_in_turn(z, of_all=True).mean(axis=0)

    @functools.cached_property
    def code_covariance(self) -> np.ndarray:
        """Covariance ``[D, D]`` float64 of codes, or of latents without layers.

        If each layer has its own code, it is the mean covariance over layers.
        """
        if not self.num_layers:
            return np.eye(self.latent_dim)
        with jax.ensure_compile_time_eval():
            keys = jax.random.split(jax.random.key(0), _BATCHES)
            shape = (MEAN_LATENTS, self.z_dim)
            parts = [
                self._encode_in_turn(jax.random.normal(key, shape), of_all=True) for key in keys
            ]
        codes = np.concatenate(parts)
        layers = [codes] if codes.ndim == 2 else codes.swapaxes(0, 1)
        covariances = [np.cov(layer, rowvar=False, dtype=np.float64) for layer in layers]
        return np.atleast_2d(np.mean(covariances, axis=0))

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the style matrices, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for style in self.styles:
            digest.update(f"{style.layer} {style.weight.shape} {style.to_rgb};".encode())
            digest.update(np.ascontiguousarray(style.weight, np.float32).tobytes())
        return digest.hexdigest()[:16]

    def _encode_in_turn(self, z: Array, first: int = 0, of_all: bool = False) -> Array:
        """Encode latents with labels in turn; with ``of_all``, spread them over all labels."""
        if not self.num_labels:
            return self._encode(self._device_params, z)
        if self.labels is None:
            raise InputError(
                f"the {self.flavour} is conditional: choose a label from 0 to "
                f"{self.num_labels - 1}, or rows of {self.num_labels} numbers"
            )
        count, turn = len(self.labels), first + np.arange(len(z))
        turn = turn * count // len(z) if of_all and count > len(z) else turn % count
        return self._encode(self._device_params, z, jnp.asarray(self.labels[turn]))

    @functools.cached_property
    def _device_params(self) -> Any:
        with jax.ensure_compile_time_eval():  # a tracer must not outlive its function
            place = self.mesh and devices.everywhere(self.mesh)
            return jax.device_put(self.params, place)

    @functools.cached_property
    def _synthesis_params(self) -> Any:
        with jax.ensure_compile_time_eval():
            code = jnp.zeros([length or 1 for length in self.code_shape])
            more = jax.jit(_precise(self.prepare))(self._device_params, code)
        return self._device_params | more if more else self._device_params

    @functools.cached_property
    def _encode(self) -> Callable[..., Array]:
        return jax.jit(_precise(self.encode))

    @functools.cached_property
    def _synthesise(self) -> Callable[..., Array]:
        def images(params, *codes):
            return to_colours(_precise(self.synthesise)(params, *codes))

        def compiled(function):
            return jax.jit(function, compiler_options=compiler_options() or None)

        fast, plain, mesh = compiled(images), jax.jit(images), self.mesh
        parallel = compiled(devices.by_parts(images, mesh)) if mesh else fast

        def call(params, *codes):
            if any(isinstance(x, jax.core.Tracer) for x in codes):
                return plain(
                    params, *codes
                )  # inside another jit: only the outermost may have options
            run = parallel if mesh and len(codes[0]) % mesh.size == 0 else fast
            with jax.ensure_compile_time_eval():
                return run(params, *codes)

        return call

    def _check(self, x: ArrayLike, shape: tuple[int | None, ...], what: str) -> Array:
        actual = np.shape(x)
        fits = len(actual) == len(shape) and all(
            size in (None, length) for size, length in zip(shape, actual, strict=True)
        )
        if not fits:
            expected = "[" + ", ".join("N" if s is None else str(s) for s in shape) + "]"
            raise InputError(
                f"the {what} have shape {list(actual)}; {self.flavour} has {expected}"
            )
        if isinstance(x, Array):
            return x.astype(jnp.float32)  # on a device: a check would have to fetch it
        with np.errstate(over="ignore"):
            x = np.asarray(x).astype(np.float32)
        if not np.isfinite(x).all():
            raise InputError(f"the {what} are not all finite")
        return jnp.asarray(x)


def to_colours(x: Array) -> Array:
    """Convert grey images, or images with opacity over white, to ``[N, H, W, 3]``."""
    if x.shape[3] == 4:
        x = 1 + (x[..., :3] - 1) * (x[..., 3:].clip(-1, 1) + 1) / 2
    return jnp.broadcast_to(x, (*x.shape[:3], 3))


def image_functions(
    network: nn.Module, part: str | None = "synthesis", *, tanh: bool = False
) -> tuple[Callable[[Any, Array], Any], Callable[[Any, Array], dict[str, Any]]]:
    """Make ``synthesise`` and ``prepare`` from a network that maps only codes to images.

    Args:
      network: The network.
      part: Key of its parameters in those of a ``Pretrained``; None if they are all.
      tanh: Whether a tanh follows the network.
    """

    def variables(params):
        return {"params": params if part is None else params[part]}

    def synthesise(params, codes):
        kernels = {KERNELS: params[KERNELS]} if KERNELS in params else {}
        images: Any = network.apply(variables(params) | kernels, codes)
        return jnp.tanh(images) if tanh else images

    def prepare(params, codes):
        if not any(map(may_pay, jax.tree.leaves(variables(params)))):
            return {}
        kernels: Any = network.apply(variables(params), codes, mutable=[KERNELS])[1]
        return kernels

    return synthesise, prepare


def _precise(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function multiply in full float32; a GPU's default may be TF32."""

    def precise(*args):
        with jax.default_matmul_precision("highest"):
            return function(*args)

    return precise
