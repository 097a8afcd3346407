"""Flavours of checkpoints; the first one that recognises the keys of a file loads it."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import flax.linen as nn

from jaxgan.convert import exported, own, zoo
from jaxgan.convert.flavours import (
    basicsr,
    dcgan,
    dnnlib_tf,
    genforce_pggan,
    genforce_stylegan,
    genforce_stylegan2,
    mobilestylegan,
    mobilestylegan_ckpt,
    nvlabs,
    rosinality,
    strangers,
    stylegan3,
)
from jaxgan.convert.formats import mapped, owners, torchfile
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.generator import Pretrained
from jaxgan.convert.options import Settings
from jaxgan.convert.place import place_all
from jaxgan.errors import InputError

FLAVOURS: dict[str, Callable[[Checkpoint], Pretrained | None]] = {
    "genforce PGGAN": genforce_pggan.find,
    "genforce StyleGAN": genforce_stylegan.find,
    "genforce StyleGAN2": genforce_stylegan2.find,
    "MobileStyleGAN": mobilestylegan_ckpt.find,  # its teacher looks like the next
    "rosinality StyleGAN2": rosinality.find,
    "BasicSR StyleGAN2": basicsr.find,
    "NVlabs StyleGAN2": nvlabs.find,
    "NVlabs StyleGAN3": stylegan3.find,
    "PGGAN, StyleGAN and StyleGAN2 of TensorFlow": dnnlib_tf.find,
    "DCGAN": dcgan.find,
}


def load(
    path: str | Path,
    say: Callable[[str], None],
    network: nn.Module | None,
    weights: str | None,
    settings: Settings,
) -> Pretrained:
    """Load a generator; arguments and errors as for ``convert.load``."""
    on_offer = str(path) in zoo.GENERATORS and not os.path.exists(path)
    file = zoo.generator(str(path), say) if on_offer else path
    generator = _open(file, network, weights, settings)
    settings.check(generator.flavour)
    if generator.origin not in ("", owners.ONLY) and not on_offer:
        say(f"{path}: {generator.origin}")
    return generator


def _open(
    path: str | Path, network: nn.Module | None, weights: str | None, settings: Settings
) -> Pretrained:
    """Load a generator from any kind of path."""
    mobile = mobilestylegan.is_path(Path(path))
    config = exported.config_beside(Path(path))
    if os.path.isdir(path) and not (mobile or Path(path, own.FILE).exists()):
        path = torchfile.in_folder(path) or path
    own_run = not mobile and (os.path.isdir(path) or Path(path).suffix == ".npz")
    if weights is not None and (mobile or own_run or config):
        raise InputError(f"{path} holds one generator, so there are no weights to choose")
    if config:
        return _placed(exported.load(Path(path), config, network))
    if own_run:
        return own.load(Path(path), network)
    if network is not None:
        raise InputError(
            f"{path} is not a run of jaxgan.fit: its network is known, so do not pass one"
        )
    if mobile:
        return _placed(mobilestylegan.load(Path(path)))
    return _placed(_find(path, weights, settings))


def _find(path: str | Path, weights: str | None, settings: Settings) -> Pretrained:
    """Load the generator from a file of arrays."""
    value = torchfile.read(path)
    arrays = torchfile.tensors_of(value, path)
    checkpoint = Checkpoint(str(path), value, arrays, weights, settings)
    try:
        for find in FLAVOURS.values():
            generator = find(checkpoint)
            if generator is not None:
                return generator
        what = strangers.content(value, arrays)
    except InputError:
        # Parts of some look like a supported generator.
        what = strangers.unsupported(list(arrays))
        if not what:
            raise
    names = ", ".join([*FLAVOURS, "a run of jaxgan"])
    raise InputError(f"{path} holds {what}; supported generators: {names}")


def _placed(generator: Pretrained) -> Pretrained:
    """Put parameters on the device; copy views of the file, which may be overwritten."""
    styles = [style._replace(weight=mapped.copied(style.weight)) for style in generator.styles]
    average = None if generator.average is None else mapped.copied(generator.average)
    return dataclasses.replace(
        generator, params=place_all(generator.params), styles=tuple(styles), average=average
    )
