"""Generators that jaxgan trained: ``generator.npz`` of an image laboratory's run."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from jaxgan.convert.flavours.dcgan import pretrained
from jaxgan.convert.formats import npz
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.errors import InputError
from jaxgan.networks.layers import NORMS
from jaxgan.networks.pairs import PAIRS

FILE = "generator.npz"
_SETTINGS = ("model", "size", "width", "channels", "norm", "latent_dim")
_LARGEST = {"size": 128, "width": 1024, "channels": 3, "latent_dim": 65536}


def save(path: Path, settings: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Write a generator.

    Args:
      path: Of the file.
      settings: ``model, size, width, channels, norm, latent_dim``, as in ``PAIRS``.
      variables: Of the Flax network.
    """
    flat = traverse_util.flatten_dict(dict(variables), sep=".")
    arrays = {name: np.asarray(value) for name, value in flat.items()}
    text = json.dumps({name: settings[name] for name in _SETTINGS}).encode()
    temporary = path.with_name("tmp_" + path.name)
    np.savez(temporary, allow_pickle=False, settings=np.frombuffer(text, np.uint8), **arrays)
    temporary.replace(path)


def load(path: Path) -> Pretrained:
    """Read what ``save`` wrote.

    Args:
      path: Of the file, or of the run's folder.

    Raises:
      InputError: If it cannot be read or is something else.
    """
    file = path / FILE if os.path.isdir(path) else path
    if file is not path and not file.exists():
        raise InputError(f"{path} is a folder without a {FILE}: give an image run, or a file")
    arrays = npz.read(file)
    settings = _settings(file, arrays.pop("settings", None))
    model = settings["model"]
    network = PAIRS[model].generator(*(settings[name] for name in _SETTINGS[1:5]))
    latents = jax.ShapeDtypeStruct((1, settings["latent_dim"]), np.float32)
    try:
        image, wanted = jax.eval_shape(
            lambda z: network.init_with_output(jax.random.key(0), z, train=False), latents
        )
    except ZeroDivisionError as error:
        raise InputError(f"{file} has layers without channels") from error
    size, channels = settings["size"], settings["channels"]
    if image.shape != (1, size, size, channels):
        raise InputError(
            f"{file} says {channels} channels of {size} pixels, and its {model} makes others"
        )
    state = StateDict(Checkpoint(str(file), None, arrays), "", f"jaxgan {model}")
    flat: dict[str, Any] = traverse_util.flatten_dict(wanted, sep=".")
    variables = {name: state.take(name, like.shape) for name, like in flat.items()}
    state.finish()
    name = f"params.{'ConvTranspose_0' if model == 'dcgan' else 'Dense_0'}.kernel"
    matrix = variables[name]
    if model != "dcgan" and matrix.shape[0] == settings["latent_dim"]:
        matrix = matrix.T  # dense layers have their inputs first unless they narrow
    style = Style(name, 0, matrix.reshape(-1, settings["latent_dim"]))
    tree = traverse_util.unflatten_dict(variables, sep=".")
    return pretrained(state.flavour, settings["size"], tree, network, style)


def _settings(file: Path, text: np.ndarray | None) -> dict[str, Any]:
    try:
        settings = json.loads(text.tobytes() if text is not None else b"")
        sound = settings["model"] in PAIRS and settings["norm"] in NORMS
        sound = sound and settings["channels"] in (1, 3)
        for name, limit in _LARGEST.items():
            sound = sound and type(settings[name]) is int and 0 < settings[name] <= limit
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"{file} is not a generator that jaxgan wrote")
    return settings
