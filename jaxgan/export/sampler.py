"""The function that an exported program computes: images or points from latents."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export

from jaxgan.convert.clouds import Cloud
from jaxgan.convert.generator import Pretrained, to_colours
from jaxgan.networks import convolution


class Sampler(NamedTuple):
    """A generator as one function.

    Attributes:
      function: Maps the arguments in ``inputs`` to images ``[N, H, W, 3]`` or points
        ``[N, 2]``.
      inputs: Shape of each argument by name; None stands for N. All are float32. ``z`` is
        always there; a conditional generator adds ``labels``, one row per latent; a generator
        with a mean code adds the scalar ``truncation``.
      output: ``images`` or ``points``.
      reference: Computes the same without export, as jaxgan does.
    """

    function: Callable[..., Array]
    inputs: dict[str, tuple[int | None, ...]]
    output: str
    reference: Callable[..., Array]

    def traced(self, transform: Callable[..., Any], batch: Any) -> Any:
        """Trace the function for a batch, with the operations that accelerators run.

        Args:
          transform: Takes the function; its result takes the shapes of the arguments.
          batch: N, an integer or a symbolic dimension.
        """
        shapes = [
            jax.ShapeDtypeStruct(tuple(batch if n is None else n for n in shape), np.float32)
            for shape in self.inputs.values()
        ]
        with convolution.plain(), jax.default_matmul_precision("highest"):
            return transform(self.function)(*shapes)

    def draw(self, count: int, seed: int = 0) -> list[np.ndarray]:
        """Draw arguments: normal latents, every class in turn, and a truncation of 0.7."""
        arguments = []
        for name, shape in self.inputs.items():
            if name == "z":
                rng, size = np.random.default_rng(seed), (count, shape[1] or 0)
                arguments.append(rng.standard_normal(size, np.float32))
            elif name == "labels":
                length = shape[1] or 0
                arguments.append(np.eye(length, dtype=np.float32)[np.arange(count) % length])
            else:
                arguments.append(np.array(0.7, np.float32))
        return arguments


def symbolic() -> Any:
    """Return a symbolic batch size."""
    return export.symbolic_shape("batch")[0]


def of(generator: Pretrained | Cloud) -> Sampler:
    """Make the sampler of a generator; ``folder.write`` shows it at work."""
    if isinstance(generator, Cloud):
        sample, params = generator.sample, generator.params
        inputs: dict[str, tuple[int | None, ...]] = {"z": (None, generator.latent_dim)}
        return Sampler(lambda z: sample(params, z), inputs, "points", generator.points)
    return _of_images(generator)


def _of_images(generator: Pretrained) -> Sampler:
    params, layers = generator.params, generator.num_layers
    mean = None
    inputs: dict[str, tuple[int | None, ...]] = {"z": (None, generator.z_dim)}
    if generator.num_labels:
        inputs["labels"] = (None, generator.num_labels)
    if layers and (generator.average is not None or not generator.num_labels):
        inputs["truncation"] = ()
        mean_code = generator.mean_code if generator.average is None else generator.average
        mean = jnp.broadcast_to(jnp.asarray(mean_code), (layers, generator.latent_dim))[None]

    def function(*arguments: Array) -> Array:
        values = dict(zip(inputs, arguments, strict=True))
        labels = [values["labels"]] if "labels" in values else []
        codes = generator.encode(params, values["z"], *labels)
        if layers and codes.ndim == 2:
            shape = (codes.shape[0], layers, codes.shape[1])
            codes = jnp.broadcast_to(codes[:, None], shape)
        if mean is not None:
            codes = mean + values["truncation"] * (codes - mean)
        still = jnp.broadcast_to(jnp.eye(3), (codes.shape[0], 3, 3))
        transform = [still] if generator.transforms else []
        return to_colours(generator.synthesise(params, codes, *transform))

    def reference(*arguments: Any) -> Array:
        values = dict(zip(inputs, arguments, strict=True))
        conditional = (
            generator.with_labels(values["labels"]) if "labels" in values else generator
        )
        codes = conditional.codes(values["z"], float(values.get("truncation", 1)))
        return conditional.images(codes)

    return Sampler(function, inputs, "images", reference)
