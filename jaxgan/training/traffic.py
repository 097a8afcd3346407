"""What devices that share batches send one another in a step, by the shapes of the networks."""

import math
import re
from typing import Any, NamedTuple

import jax

from jaxgan.training.gan import GanState, NetState
from jaxgan.training.objectives import PENALTIES


class Traffic(NamedTuple):
    """Bytes that all devices sum in one generator update and its critic updates.

    A few scalars, such as the losses, are left out.

    Attributes:
      gradients: Of gradients.
      statistics: Of the means and variances of batch norm, and of their gradients.
    """

    gradients: int
    statistics: int


def traffic(
    state: GanState, penalty: str = "none", critic_steps: int = 1, *, relativistic: bool = False
) -> Traffic:
    """Count the bytes of the sums over devices in one step, as XLA compiles it for a CPU.

    Gradients are summed once for every pass of a batch through the critic: one of real and fake
    examples together, or one of each where the critic has statistics; and one for every
    gradient in a penalty, about two with layer norm, where the count is good to two percent.
    XLA for GPUs may add the passes of a device first.

    Args:
      state: Arrays, or their shapes.
      penalty: A name in ``PENALTIES``.
      critic_steps: Critic updates per generator update.
      relativistic: Whether the generator's loss looks at the scores of real examples.

    Examples:
      >>> import jax, jax.numpy as jnp, jaxgan
      >>> from jaxgan.networks import mlp
      >>> from jaxgan.training.traffic import traffic
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("gan"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=4)
      >>> traffic(jax.eval_shape(g.init, jax.random.key(0), jnp.zeros((1, 2))))
      Traffic(gradients=364, statistics=0)
    """
    generator, critic = _Net(state.generator), _Net(state.critic)
    passes = 2 if state.critic.stats else 1
    in_penalty = PENALTIES[penalty].gradients * (2 if critic.has_layer_norm else 1)
    update = passes * critic.gradients + in_penalty * critic.gradients_in_penalty
    own = 2 + relativistic  # forward and back of fakes, forward of real examples
    return Traffic(
        critic_steps * update + generator.gradients,
        critic_steps * 2 * passes * critic.statistics
        + own * critic.statistics
        + (critic_steps + 1) * generator.statistics,
    )


def sums(program: str) -> tuple[int, int]:
    """Count the sums over devices in the text of a compiled program, and their bytes.

    What a loop repeats counts once, and scalars have no bytes.

    Raises:
      ValueError: If devices communicate in another way.
    """
    others = "all-gather|all-to-all|collective-permute|reduce-scatter"
    other = re.search(rf" ({others})(?:-start)?\(", program)
    if other:
        raise ValueError(f"the program has an {other[1]}")
    results = re.findall(r"= (.*?) all-reduce(?:-start)?\(", program)
    shapes = [x for result in results for x in re.findall(r"f32\[([\d,]+)\]", result)]
    return len(results), sum(4 * math.prod(map(int, x.split(","))) for x in shapes)


class _Net:
    """Bytes of a network's arrays."""

    def __init__(self, net: NetState):
        weights, kept = _named(net.params), _named(net.stats)
        norms = {names[1:-1] for names in kept if names[-1] == "var"}
        # What batch norm sums for its input's gradient is the gradient of its scale and bias.
        shared = [
            names
            for names, x in weights.items()
            if names[:-1] in norms and x.size == kept["batch_stats", *names[:-1], "var"].size
        ]
        self.gradients = _bytes(x for names, x in weights.items() if names not in shared)
        self.gradients_in_penalty = _bytes(
            x for names, x in weights.items() if names[-1] != "bias"
        )
        self.statistics = _bytes(x for names, x in kept.items() if names[1:-1] in norms)
        self.has_layer_norm = any("LayerNorm" in name for names in weights for name in names)


def _named(tree: Any) -> dict[tuple[str, ...], Any]:
    """Leaves by the names that lead to them."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {tuple(str(key.key) for key in path): leaf for path, leaf in leaves}


def _bytes(arrays: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in arrays)
