"""Pretrained generators from files: told by their keys, read without running anything."""

from pathlib import Path

from jaxgan.pretrained import Pretrained


def load(path: str | Path) -> Pretrained:
    """Open a generator, whatever flavour it is of.

    Args:
      path: A checkpoint of PyTorch (``.pth``, ``.pt``, ``.tar``, ``.pkl``,
        ``.safetensors``), or a run directory of jaxgan.

    Raises:
      InputError: If it cannot be read or holds no generator that is known; the line says
        what it holds instead.
    """
    from jaxgan.convert import flavours

    return flavours.load(path)
