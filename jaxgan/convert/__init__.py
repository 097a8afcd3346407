"""Trained generators from files: recognised by their keys, read without running code."""

from collections.abc import Callable
from pathlib import Path

import flax.linen as nn

from jaxgan.convert.generator import Pretrained


def load(
    path: str | Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    network: nn.Module | None = None,
) -> Pretrained:
    """Open a generator, whatever flavour it is of.

    Args:
      path: A checkpoint of PyTorch (``.pth``, ``.pt``, ``.tar``, ``.pkl``,
        ``.safetensors``), a run directory of jaxgan, MobileStyleGAN as OpenVINO networks
        (a folder, an ``.xml``, or the wheel that holds them), or the name of one that is
        downloaded once: one of ``zoo.GENERATORS``.
      say: Called with a line before a download.
      network: The generator that ``jaxgan.fit`` trained, as it was passed to ``jaxgan.gan``:
        ``(z [N, D], train=) -> [N, H, H, C]`` with C of 1 or 3. For such a run only, since
        a file holds arrays and no code.

    Raises:
      InputError: If it cannot be read or holds no generator that is known; the line says
        what it holds instead. Also if its arrays are not those of ``network``.

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp, jaxgan, pathlib, tempfile
      >>> from jaxgan.convert import own
      >>> class Generator(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, z, train=False):
      ...         return nn.tanh(nn.Dense(12)(z)).reshape(-1, 2, 2, 3)
      >>> folder = tempfile.TemporaryDirectory()
      >>> own.save(  # as jaxgan.fit does at the end of a run
      ...     pathlib.Path(folder.name, "generator.npz"), {"model": "own", "latent_dim": 4},
      ...     Generator().init(jax.random.key(0), jnp.zeros((1, 4))))
      >>> generator = jaxgan.load(folder.name, network=Generator())
      >>> generator.images(generator.codes(jnp.zeros((5, 4)))).shape
      (5, 2, 2, 3)
      >>> jaxgan.sefa.directions(generator, k=2).vectors.shape
      (2, 4)
      >>> folder.cleanup()
    """
    from jaxgan.convert import flavours

    return flavours.load(path, say, network)
