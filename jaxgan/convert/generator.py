"""A trained generator, whatever file it came from: codes, images, style matrices."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.errors import InputError

MAX_LATENT = 4096
AVERAGED = 4096  # latents whose mean code stands in for one that a file lacks
_BATCHES = 4  # of as many latents, whose codes tell the covariance


class Style(NamedTuple):
    """A matrix through which a code enters the network: what SeFa factorises.

    Attributes:
      name: Of the matrix, as the file has it.
      layer: Index of the code that it reads; 0 where codes are latents.
      weight: ``[rows, D]`` float32 as stored: a row per unit that it drives. Factors that
        all rows share are left out.
      to_rgb: Whether it drives a conversion to colours, not a hidden layer.
    """

    name: str
    layer: int
    weight: np.ndarray
    to_rgb: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Pretrained:
    """A generator with its weights.

    Attributes:
      flavour: Network and source, such as ``genforce StyleGAN2``.
      resolution: Height and width of its images in pixels.
      latent_dim: Length D of a latent, which is that of a code too.
      num_layers: Codes L that an image is made of; 0 where it is made of a latent.
      params: Arrays of both functions.
      encode: ``(params, z [N, D]) -> [N, D]``: the mapping network, or what else is done
        to a latent once.
      synthesise: ``(params, codes) -> [N, H, W, C]``: of ``[N, L, D]``, or of ``[N, D]``
        where ``num_layers`` is 0. C is 1 or 3.
      styles: What a code enters by, from the coarsest layer to the finest.
      average: ``[D]`` or ``[L, D]`` mean code that truncation moves to; None if the file
        has none.
    """

    flavour: str
    resolution: int
    latent_dim: int
    num_layers: int
    params: Any
    encode: Callable[[Any, Array], Array]
    synthesise: Callable[[Any, Array], Array]
    styles: tuple[Style, ...]
    average: np.ndarray | None = None

    def __post_init__(self):
        if not 0 < self.latent_dim <= MAX_LATENT:
            raise InputError(
                f"{self.flavour} with latents of length {self.latent_dim}: up to {MAX_LATENT} "
                "are allowed"
            )

    def codes(
        self, z: ArrayLike, truncation: float = 1.0, truncation_layers: int | None = None
    ) -> Array:
        """Codes ``[N, L, D]`` of latents ``[N, D]``; ``[N, D]`` where there are no layers.

        Args:
          z: Standard normal latents.
          truncation: Share of the way from the mean code that is kept. Of no meaning, and
            ignored, where there are no layers.
          truncation_layers: How many of the first layers are truncated; all by default.

        Raises:
          InputError: If an argument has another shape or, on the host, is not finite.
        """
        z = self._checked(z, (None, self.latent_dim), "latents")
        w = self._encode(self._placed, z)
        if not self.num_layers:
            return w
        wide = jnp.repeat(w[:, None], self.num_layers, axis=1)
        return self.truncate(wide, truncation, truncation_layers)

    def truncate(
        self, codes: ArrayLike, truncation: float = 1.0, truncation_layers: int | None = None
    ) -> Array:
        """Move codes ``[N, L, D]`` towards the mean code: arguments as for ``codes``."""
        codes = self._checked(codes, self.code_shape, "codes")
        if not np.isfinite(truncation):
            raise InputError(f"truncation {truncation} must be a finite number")
        first = self.num_layers if truncation_layers is None else truncation_layers
        if truncation == 1 or not self.num_layers or first <= 0:
            return codes
        mean = self.mean_code if self.average is None else jnp.asarray(self.average)
        kept = np.where(np.arange(self.num_layers) < first, truncation, 1.0)[None, :, None]
        mean = jnp.broadcast_to(mean, codes.shape[1:])[None]
        return mean + kept.astype(np.float32) * (codes - mean)

    def images(self, codes: ArrayLike) -> Array:
        """Images ``[N, H, W, 3]`` of codes, float32 around [-1, 1], not clipped.

        Raises:
          InputError: If the codes have another shape than ``self.codes`` gives or, on the
            host, are not finite.
        """
        codes = self._checked(codes, self.code_shape, "codes")
        return self._synthesise(self._placed, codes)

    @property
    def code_shape(self) -> tuple[int | None, ...]:
        """Shape of codes, None for the number of them."""
        layers = (self.num_layers,) if self.num_layers else ()
        return (None, *layers, self.latent_dim)

    @functools.cached_property
    def mean_code(self) -> Array:
        """The mean ``[D]`` of ``AVERAGED`` encoded latents, always the same ones."""
        with jax.ensure_compile_time_eval():  # kept, so no part of a function being traced
            z = jax.random.normal(jax.random.key(0), (AVERAGED, self.latent_dim))
            return self._encode(self._placed, z).mean(axis=0)

    @functools.cached_property
    def code_covariance(self) -> np.ndarray:
        """Covariance ``[D, D]`` float64 of encoded latents; without layers that of latents."""
        if not self.num_layers:
            return np.eye(self.latent_dim)
        with jax.ensure_compile_time_eval():
            keys = jax.random.split(jax.random.key(0), _BATCHES)
            shape = (AVERAGED, self.latent_dim)
            parts = [self._encode(self._placed, jax.random.normal(key, shape)) for key in keys]
        return np.atleast_2d(np.cov(np.concatenate(parts), rowvar=False, dtype=np.float64))

    @functools.cached_property
    def fingerprint(self) -> str:
        """Identifies the style matrices, by 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for style in self.styles:
            digest.update(f"{style.layer} {style.weight.shape} {style.to_rgb};".encode())
            digest.update(np.ascontiguousarray(style.weight, np.float32).tobytes())
        return digest.hexdigest()[:16]

    @functools.cached_property
    def _placed(self) -> Any:
        with jax.ensure_compile_time_eval():  # kept, so no part of a function being traced
            return jax.device_put(self.params)

    @functools.cached_property
    def _encode(self) -> Callable[[Any, Array], Array]:
        return jax.jit(_precise(self.encode))

    @functools.cached_property
    def _synthesise(self) -> Callable[[Any, Array], Array]:
        def images(params, codes):
            made = _precise(self.synthesise)(params, codes)
            return jnp.broadcast_to(made, (*made.shape[:3], 3))

        return jax.jit(images)

    def _checked(self, x: ArrayLike, shape: tuple[int | None, ...], what: str) -> Array:
        found = np.shape(x)
        fits = len(found) == len(shape) and all(
            size in (None, of) for size, of in zip(shape, found, strict=True)
        )
        if not fits:
            wanted = "[" + ", ".join("N" if s is None else str(s) for s in shape) + "]"
            raise InputError(
                f"the {what} have shape {list(found)}; {self.flavour} has {wanted}"
            )
        if isinstance(x, Array):
            return x.astype(jnp.float32)  # on a device; not fetched to be looked at
        with np.errstate(over="ignore"):
            x = np.asarray(x).astype(np.float32)
        if not np.isfinite(x).all():
            raise InputError(f"the {what} are not all finite")
        return jnp.asarray(x)


def _precise(function: Callable[..., Any]) -> Callable[..., Any]:
    """In full float32: by default a GPU rounds what it multiplies to ten bits."""

    def precise(*args):
        with jax.default_matmul_precision("highest"):
            return function(*args)

    return precise
