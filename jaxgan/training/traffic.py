"""How many bytes devices that share batches exchange per step."""

import math
import re
from typing import Any, NamedTuple

import jax

from jaxgan.training.gan import GanState, NetState
from jaxgan.training.objectives import PENALTIES


class Traffic(NamedTuple):
    """Bytes that the devices sum (all-reduce) in one generator update and its critic updates.

    A few scalars, such as the losses, are not counted.

    Attributes:
      gradients: Bytes of gradients.
      statistics: Bytes of the means and variances of batch norm and of their gradients.
    """

    gradients: int
    statistics: int


def traffic(
    state: GanState, penalty: str = "none", critic_steps: int = 1, *, relativistic: bool = False
) -> Traffic:
    """Count the bytes of the sums over devices in one step, as XLA compiles it for a CPU.

    Gradients are summed once per pass of a batch through the critic. That is one pass of
    real and fake examples together, or one of each if the critic has batch norm; and one
    pass per gradient in a penalty, or about two with layer norm, where the count is accurate
    to 2 %. XLA for GPUs may combine the passes on a device first.

    Args:
      state: Arrays, or their shapes.
      penalty: A name in ``PENALTIES``.
      critic_steps: Critic updates per generator update.
      relativistic: Whether the generator's loss uses the scores of real examples.

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
    """Count the all-reduce operations in the text of a compiled program, and their bytes.

    The body of a loop counts once, and scalars are not counted in bytes.

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
    """Byte counts of a network's arrays."""

    def __init__(self, net: NetState):
        weights, stats = _by_path(net.params), _by_path(net.stats)
        norms = {names[1:-1] for names in stats if names[-1] == "var"}
        # The sums in batch norm's backward pass are the gradients of its scale and bias.
        norm_weights = [
            names
            for names, x in weights.items()
            if names[:-1] in norms and x.size == stats["batch_stats", *names[:-1], "var"].size
        ]
        self.gradients = _bytes(x for names, x in weights.items() if names not in norm_weights)
        self.gradients_in_penalty = _bytes(
            x for names, x in weights.items() if names[-1] != "bias"
        )
        self.statistics = _bytes(x for names, x in stats.items() if names[1:-1] in norms)
        self.has_layer_norm = any("LayerNorm" in name for names in weights for name in names)


def _by_path(tree: Any) -> dict[tuple[str, ...], Any]:
    """Return the leaves of a tree by their paths."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {tuple(str(key.key) for key in path): leaf for path, leaf in leaves}


def _bytes(arrays: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in arrays)
