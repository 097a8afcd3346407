"""Trained generators from files: recognised by their keys, read without running code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
from numpy.typing import ArrayLike

from jaxgan.convert.clouds import Cloud
from jaxgan.convert.generator import Pretrained
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError


def load(
    path: str | Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    network: nn.Module | None = None,
    weights: str | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    label: ArrayLike | None = None,
) -> Pretrained:
    """Open a generator, whatever flavour it is of.

    Args:
      path: A file of ``torch.save`` (``.pth``, ``.pt``, ``.tar``, ``.ckpt``, ``.bin``),
        TorchScript, a file of ``torch.export`` (``.pt2``), a ``.pkl`` of NVlabs, for
        PyTorch or TensorFlow, or ``.safetensors``; one of these in a zip, tar or gzip, or
        in a folder; a run directory of jaxgan, its ``generator.npz``, or what
        ``jaxgan.export`` made of it; MobileStyleGAN as
        OpenVINO networks (a folder, an ``.xml``, or the wheel that holds them); or the name
        of a generator that is downloaded once, one of ``zoo.GENERATORS``.
        ``docs/checkpoints.md`` lists the networks.
      say: Called with a line before a download, and with one about a file of several
        generators, or one that lacks something.
      network: The generator that ``jaxgan.fit`` trained, as it was passed to ``jaxgan.gan``:
        ``(z [N, D], train=) -> [N, H, H, C]`` with C of 1 or 3. For such a run only, since
        a file holds arrays and no code.
      weights: Name of the generator to take from a file that holds several, or the end of
        its name; by default the one that is averaged over training.
      settings: Settings of the network that its file does not show, such as
        ``{"final_tanh": True}``.
      label: Label of a conditional generator: a class, or several or rows of numbers, which
        latents take in turn.

    Raises:
      InputError: If it cannot be read or holds no generator that is known; the line says
        what it holds instead. Also if its arrays are not those of ``network``.

    Examples:
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

    if not isinstance(settings, Settings):
        settings = Settings(settings or {})
    generator = flavours.load(path, say, network, weights, settings)
    return generator if label is None else generator.with_labels(label)


def points(path: str | Path) -> Cloud:
    """Open a generator of points.

    Args:
      path: A run of the points laboratory or its ``generator.npz``, or an exported folder.

    Raises:
      InputError: If it cannot be read, or holds none.
    """
    from jaxgan.convert import clouds, exported

    path = Path(path)
    if exported.config_beside(path):
        return exported.load_cloud(path)
    cloud = clouds.load(path)
    if cloud is None:
        raise InputError(f"{path} holds no generator of points")
    return cloud
