"""Find the codes of given pictures by optimisation through the generator (GAN inversion).

Source: the projector of Karras et al., Analyzing and Improving the Image Quality of StyleGAN,
arXiv 1912.04958, appendix D (the learning-rate schedule); Abdal et al., Image2StyleGAN, arXiv
1904.03189 (one code per layer); Zhu et al., Improved StyleGAN Embedding, arXiv 2012.09036
(whitened codes). The perceptual distance is that of Zhang et al., arXiv 1801.03924, with
features of FID's Inception-v3 and without learned channel weights.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxgan.convert.generator import Pretrained, to_colours
from jaxgan.data.pixels import to_float, to_uint8
from jaxgan.errors import InputError, lookup
from jaxgan.networks.inception import Inception
from jaxgan.networks.layers import compiler_options

SIDE = 256  # largest side in pixels at which pictures are compared
LEAST = 128  # smallest side in pixels that the features need
STEPS, RATE = 250, 0.1
FEATURES, PIXELS, COARSE, PRIOR, TOGETHER = 1.0, 2.0, 2.0, 0.05, 0.1
_LAYERS = ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d")
_COARSE = 32  # side in pixels of the coarse comparison
RISE, FALL = 0.05, 0.3  # shares of the steps with a rising and with a falling rate
COMMON_SHARE = 0.3  # share of the steps in which all layers of w+ move alike
MAX_STEPS = 5000


class Inverted(NamedTuple):
    """Result of an inversion.

    Attributes:
      codes: ``[1, L, D]``, or ``[1, D]`` for a generator without layers.
      image: ``[S, S, 3]`` uint8, the picture of these codes at the size of the comparison.
      error: Mean absolute error of this picture, for pixels in [-1, 1].
      loss: ``[steps]``, the loss at each step.
    """

    codes: np.ndarray
    image: np.ndarray
    error: float
    loss: np.ndarray


Show = Callable[[int, np.ndarray], None]


def _unshown(step: int, image: np.ndarray) -> None:
    """Show nothing."""


def side_of(generator: Pretrained) -> int:
    """Return the side in pixels at which a generator's pictures are compared."""
    return _part(generator.resolution, SIDE)


def space_of(generator: Pretrained, space: str | None = None) -> str:
    """Return the space to search: the given one, by default the generator's largest.

    Raises:
      InputError: If the generator lacks the space.
    """
    spaces = ("w", "w+") if generator.num_layers else ("z",)
    space = space or spaces[-1]
    lookup(f"space of {generator.flavour}", space, dict.fromkeys(spaces))
    return space


def invert(
    generator: Pretrained, target: np.ndarray, *, show: Show = _unshown, **options: Any
) -> Inverted:
    """Find the code of one picture; arguments and errors as for ``inverter``.

    Examples:
      ``result = invert.invert(generator, target, steps=250)``; ``docs/photo.md`` shows more.
    """
    return inverter(generator, **options)(target, show)


def inverter(
    generator: Pretrained,
    *,
    space: str | None = None,
    steps: int = STEPS,
    rate: float = RATE,
    pull: float = 1.0,
    features: Any = None,
    every: int = 50,
) -> Callable[[np.ndarray, Show], Inverted]:
    """Make a function that finds the code whose picture is most like a target.

    The search runs in whitened codes: coordinates along the principal axes of codes, in
    standard deviations from the mean code. It starts at the mean, and a regulariser pulls it
    towards the distribution of codes. In ``w+``, all layers move alike in the first steps.

    The function takes a target ``[S, S, 3]`` uint8, where S is ``side_of(generator)``, and a
    callback that receives the number of finished steps and the current picture. It raises
    ``InputError`` for targets of another shape or type. It compiles once for all targets.

    Args:
      generator: The generator to invert.
      space: ``w`` or ``w+``, or ``z`` for a generator without layers. The default is ``w+``,
        or ``z`` without layers.
      steps: Steps of Adam, rounded up to a multiple of ``every``.
      rate: Peak learning rate, in standard deviations.
      pull: Factor of the regulariser.
      features: Parameters of ``convert.inception``; without them only pixels are compared.
      every: Steps between two calls of the callback.

    Raises:
      InputError: If the generator lacks the space, or the number of steps is out of range.

    Examples:
      ``result = inverter(generator)(target, lambda step, picture: print(step))``
    """
    side = side_of(generator)
    small = _part(side, _COARSE)
    space = space_of(generator, space)
    if not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps={steps} must be 1 to {MAX_STEPS}")
    every = max(1, min(every, steps))
    total = -(-steps // every) * every
    together = total if space == "w" else int(COMMON_SHARE * total) if space == "w+" else 0
    schedule = _schedule(rate, total)
    optimizer = optax.scale_by_adam(b1=0.9, b2=0.99)
    mean, axes = _distribution(generator)
    plain: Any = generator.params
    has_layers = generator.num_layers > 0

    def codes_of(v: Array) -> Array:
        return mean + v @ axes.T

    def loss(v, params, inception, goal, aims):
        x = _reduced(_pictures(generator, params, codes_of(v)), side)
        total = PIXELS * jnp.abs(x - goal).mean()
        coarse = _reduced(x, small) - _reduced(goal, small)
        total += COARSE * jnp.abs(coarse).mean()
        if inception is not None:
            for feature, aim in zip(_features(inception, x), aims, strict=True):
                total += FEATURES * jnp.square(feature - aim).sum(axis=3).mean()
        total += pull * PRIOR * jnp.square(v).mean()
        if has_layers:
            total += pull * TOGETHER * jnp.square(v - v.mean(axis=1, keepdims=True)).mean()
        return total

    def update(args, carry, step):
        v, state = carry
        value, slope = jax.value_and_grad(loss)(v, *args)
        if has_layers:
            common = jnp.broadcast_to(slope.mean(axis=1, keepdims=True), slope.shape)
            slope = jnp.where(step < together, common, slope)
        change: Any
        change, state = optimizer.update(slope, state)
        return (v - schedule(step) * change, state), value

    @functools.partial(jax.jit, compiler_options=compiler_options() or None)
    def advance(params, inception, goal, carry, start):
        aims = () if inception is None else _features(inception, goal)
        args = (params, inception, goal, aims)
        carry, values = jax.lax.scan(
            functools.partial(update, args), carry, start + jnp.arange(every)
        )
        return carry, values, _reduced(_pictures(generator, params, codes_of(carry[0])), side)

    def search(target: np.ndarray, show: Show = _unshown) -> Inverted:
        if np.shape(target) != (side, side, 3) or target.dtype != np.uint8:
            raise InputError(
                f"a target must be [{side}, {side}, 3] uint8, not "
                f"{list(np.shape(target))} {target.dtype}"
            )
        goal = jnp.asarray(to_float(target))[None]
        v = jnp.zeros((1, *mean.shape[1:-1], axes.shape[1]))
        carry, losses, image = (v, optimizer.init(v)), [], goal
        for start in range(0, total, every):
            carry, values, image = advance(plain, features, goal, carry, start)
            losses.append(np.asarray(values))
            show(start + every, to_uint8(image)[0])
        codes, error = codes_of(carry[0]), jnp.abs(image.clip(-1, 1) - goal).mean()
        picture = to_uint8(image)[0]
        return Inverted(np.asarray(codes), picture, float(error), np.concatenate(losses))

    return search


def _distribution(generator: Pretrained) -> tuple[Array, Array]:
    """Return the mean code, and principal axes ``[D, K]`` scaled to standard deviations."""
    if not generator.num_layers:  # codes are latents, followed by a label if there is one
        mean = generator.codes(np.zeros((1, generator.z_dim), np.float32))
        return mean, jnp.eye(generator.latent_dim)[:, : generator.z_dim]
    shape = (1, generator.num_layers, generator.latent_dim)
    mean = jnp.broadcast_to(generator.mean_code, shape)
    values, vectors = np.linalg.eigh(generator.code_covariance)
    return mean, jnp.asarray(vectors * np.sqrt(values.clip(0)), jnp.float32)


def _schedule(rate: float, steps: int) -> Callable[[Array], Array]:
    """Make a schedule: linear warm-up, constant, cosine decay to 0."""

    def schedule(step: Array) -> Array:
        share = (step + 1) / steps
        fall = 0.5 - 0.5 * jnp.cos(jnp.pi * jnp.clip((1 - share) / FALL, 0, 1))
        return rate * fall * jnp.clip(share / RISE, 0, 1)

    return schedule


def _pictures(generator: Pretrained, params: Any, codes: Array) -> Array:
    still = (jnp.eye(3)[None],) if generator.transforms else ()
    return to_colours(generator.synthesise(params, codes, *still))


def _part(length: int, least: int) -> int:
    """Return the smallest whole ``length / k`` of at least ``least``, or ``length``."""
    return next((length // k for k in range(length // least, 1, -1) if length % k == 0), length)


def _reduced(x: Array, side: int) -> Array:
    """Reduce images ``[N, S, S, 3]`` by average pooling."""
    n, high, wide, channels = x.shape
    return x.reshape(n, side, high // side, side, wide // side, channels).mean(axis=(2, 4))


def _features(inception: Any, x: Array) -> list[Array]:
    """Return features of three layers, normalised at each pixel, of images in [-1, 1]."""
    if x.shape[1] < LEAST:
        x = jax.image.resize(x, (len(x), LEAST, LEAST, 3), "bilinear")
    _, state = Inception().apply(  # later layers are not computed: nothing uses them
        {"params": inception},
        x,
        capture_intermediates=lambda module, _: module.name in _LAYERS,
        mutable=["intermediates"],
    )
    maps: Any = [state["intermediates"][name]["__call__"][0] for name in _LAYERS]
    return [y / jnp.sqrt(jnp.square(y).sum(axis=3, keepdims=True) + 1e-6) for y in maps]
