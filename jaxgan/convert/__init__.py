"""Pretrained generators from files: told by their keys, read without running anything."""

from collections.abc import Callable
from pathlib import Path

from jaxgan.convert.generator import Pretrained


def load(path: str | Path, say: Callable[[str], None] = lambda line: None) -> Pretrained:
    """Open a generator, whatever flavour it is of.

    Args:
      path: A checkpoint of PyTorch (``.pth``, ``.pt``, ``.tar``, ``.pkl``,
        ``.safetensors``), a run directory of jaxgan, MobileStyleGAN as OpenVINO networks
        (a folder, an ``.xml``, or the wheel that holds them), or the name of one that is
        downloaded once: one of ``zoo.GENERATORS``.
      say: Called with a line before a download.

    Raises:
      InputError: If it cannot be read or holds no generator that is known; the line says
        what it holds instead.
    """
    from jaxgan.convert import flavours

    return flavours.load(path, say)
