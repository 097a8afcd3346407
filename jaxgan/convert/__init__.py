"""Load trained generators from files: recognised by their keys, read without running code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
from numpy.typing import ArrayLike

from jaxgan.convert.clouds import Cloud
from jaxgan.convert.generator import Pretrained
from jaxgan.convert.options import Settings, read_settings
from jaxgan.errors import InputError


def load(
    path: str | Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    network: nn.Module | None = None,
    weights: str | None = None,
    settings: Settings | Mapping[str, Any] | str | None = None,
    label: ArrayLike | None = None,
) -> Pretrained:
    """Load a generator of images of any supported flavour.

    Args:
      path: One of

        * a checkpoint: a file of ``torch.save`` (``.pth``, ``.pt``, ``.tar``, ``.ckpt``,
          ``.bin``), TorchScript, ``torch.export`` (``.pt2``), ``.safetensors``, or a ``.pkl``
          of NVlabs for PyTorch or TensorFlow; also inside a zip, tar, gzip or folder;
        * a run directory of jaxgan, its ``generator.npz``, or a folder that
          ``experiments.export`` wrote;
        * MobileStyleGAN as OpenVINO networks (a folder, an ``.xml``, or a wheel);
        * a name in ``zoo.GENERATORS``, which is downloaded once.

        ``docs/checkpoints.md`` lists the networks.
      say: Called with one line before a download, and if a file holds several generators or
        lacks something.
      network: For a run of ``jaxgan.fit``, whose file holds arrays but no code: the generator
        that was passed to ``jaxgan.gan``. It maps ``(z [N, D], train=)`` to
        ``[N, H, H, C]``, with C of 1 or 3; the images of the loaded generator have 3.
      weights: Which generator to load from a file with several: its name or the end of it. By
        default the one whose weights are averaged over training (EMA).
      settings: Settings of the network that do not show in its file, such as
        ``{"final_tanh": True}``, or the text of ``--settings``.
      label: Label of a conditional generator: one class, or several classes or rows of
        numbers, which latents take in turn.

    Raises:
      InputError: If the file cannot be read or holds no known generator; the message says
        what it holds instead. Also if its arrays do not fit ``network``.

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

    if isinstance(settings, str):
        settings = read_settings(settings)
    if not isinstance(settings, Settings):
        settings = Settings(settings or {})
    generator = flavours.load(path, say, network, weights, settings)
    return generator if label is None else generator.with_labels(label)


def points(path: str | Path) -> Cloud:
    """Load a generator of points.

    Args:
      path: A run of the points laboratory or its ``generator.npz``, or an exported folder.

    Raises:
      InputError: If it cannot be read, or holds no generator of points.

    Examples:
      ``x = jaxgan.convert.points("runs/points").points(np.zeros((1, 2)))``
    """
    from jaxgan.convert import clouds, exported

    path = Path(path)
    if exported.config_beside(path):
        return exported.load_cloud(path)
    cloud = clouds.load(path)
    if cloud is None:
        raise InputError(f"{path} holds no generator of points")
    return cloud
