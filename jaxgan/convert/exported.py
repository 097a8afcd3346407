"""Read generators that ``jaxgan.export`` wrote in the layout of a Hugging Face repository.

``model.safetensors`` holds the arrays, named by their paths in the Flax tree, joined by dots.
``config.json`` describes the architecture.

``docs/export.md`` shows how to write and load them.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxgan.convert import blueprint, clouds, own
from jaxgan.convert.blueprint import Blueprint
from jaxgan.convert.clouds import Cloud
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import MAX_LATENT, Pretrained, Style
from jaxgan.errors import InputError
from jaxgan.networks import stylegan3

WEIGHTS, CONFIG = "model.safetensors", "config.json"
LIBRARY = "jaxgan"
_FORMAT = 1
_MOST_BYTES = 2**22  # of a configuration file
_SIZES = {"resolution": 4096, "latent_dim": MAX_LATENT, "num_layers": 256, "z_dim": MAX_LATENT}
_SIZES |= {"num_labels": MAX_LATENT}
_MAY_BE_NONE = ("num_layers", "num_labels")
_MOST_STYLES = 256
_TEXT = 200  # most characters of a name


def describe(generator: Pretrained | Cloud) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the content of ``config.json`` for a generator, and its arrays by name.

    Raises:
      InputError: If the generator has no blueprint.
    """
    about: dict[str, Any] = {"library_name": LIBRARY, "format": _FORMAT}
    if isinstance(generator, Cloud):
        return about | {"points": dict(generator.settings)}, clouds.arrays_of(generator)
    plan, tree = generator.blueprint, generator.params
    if plan is None:
        raise InputError(f"the {generator.flavour} cannot be exported: it has no blueprint")
    arrays = {}
    if not isinstance(plan, Blueprint):
        return about | {"own": dict(plan)}, _flat(tree)
    sizes = {name: int(getattr(generator, name)) for name in _SIZES}
    styles = [style._asdict() for style in generator.styles]
    for i, style in enumerate(styles):
        arrays[f"styles.{i}"] = np.asarray(style.pop("weight"))
    if generator.average is not None:
        arrays["average"] = np.asarray(generator.average)
    about |= {"flavour": generator.flavour} | sizes
    about |= {"network": blueprint.to_json(plan), "styles": styles}
    return about, _flat(tree) | arrays


def _flat(tree: Any) -> dict[str, np.ndarray]:
    flat = traverse_util.flatten_dict(tree, sep=".")
    return {name: np.ascontiguousarray(own.plain(x)) for name, x in flat.items()}


def config_beside(path: Path) -> dict[str, Any] | None:
    """Read the configuration of an exported folder or weights file; None for other paths.

    Raises:
      InputError: If another version of the format wrote it.
    """
    folder = os.path.isdir(path)
    file = (path / CONFIG) if folder else path.with_name(CONFIG)
    weights = file.with_name(WEIGHTS)
    if not (folder or path == weights) or not weights.is_file():
        return None
    config = _config_in(file)
    if config is not None and config.get("format") != _FORMAT:
        raise InputError(
            f"{file} has a format that this version of jaxgan does not read, not {_FORMAT}"
        )
    return config


def is_export(folder: Path) -> bool:
    """Return whether jaxgan exported a folder, by its configuration."""
    config = _config_in(folder / CONFIG)
    return config is not None and config.get("format") == _FORMAT


def _config_in(file: Path) -> dict[str, Any] | None:
    """Read a configuration that jaxgan wrote; None for other files."""
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return None
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    mine = isinstance(config, dict) and config.get("library_name") == LIBRARY
    return config if mine else None


def load_cloud(path: Path) -> Cloud:
    """Load the generator of points from an exported folder.

    Raises:
      InputError: If there is none.
    """
    config = config_beside(path)
    if config is None or not clouds.is_settings(config.get("points")):
        raise InputError(f"{path} holds no generator of points that jaxgan exported")
    file = path / WEIGHTS if path.is_dir() else path
    return clouds.assemble(file, torchfile.tensors(file), config["points"])


def load(path: Path, config: Mapping[str, Any], network: nn.Module | None) -> Pretrained:
    """Load the generator from an exported folder, or from the weights file in it.

    Raises:
      InputError: If the configuration or the arrays are damaged.
    """
    file = path / WEIGHTS if path.is_dir() else path
    arrays = torchfile.tensors(file)
    if "points" in config:
        raise InputError(f"{path} holds a generator of points: jaxgan.convert.points reads it")
    if "own" in config:
        return own.assemble(file, arrays, config["own"], network)
    if network is not None:
        raise InputError(
            f"{path} is not a run of jaxgan.fit: its network is known, so do not pass one"
        )
    try:
        plan = blueprint.from_json(config.get("network", {}))
        about = _About(*_about(config))
    except InputError as error:
        raise InputError(f"{file.with_name(CONFIG)} is damaged: {error}") from error
    state = StateDict(Checkpoint(str(file), None, arrays), "", about.flavour)
    styles = _styles(state, config.get("styles"), about)
    average = None
    if "average" in state:
        layers = about.sizes["num_layers"]
        average = state.take_mean("average", layers, about.sizes["latent_dim"])
    transforms = isinstance(plan.synthesis, stylegan3.Synthesis)
    params = {"transform": state.take("transform", (3, 3))} if transforms else {}
    try:
        shapes = _shapes(plan, about.sizes)
    except Exception as error:  # Flax and JAX raise many kinds of errors for odd settings
        raise InputError(
            f"{file.with_name(CONFIG)} is damaged: its network cannot be built"
        ) from error
    flat: dict[Any, Any] = traverse_util.flatten_dict(shapes)
    weights = {path: state.take(".".join(path), like.shape) for path, like in flat.items()}
    params |= traverse_util.unflatten_dict(weights)
    state.finish()
    return Pretrained(
        flavour=about.flavour,
        **about.sizes,
        params=params,
        styles=styles,
        average=average,
        transforms=transforms,
        blueprint=plan,
        **blueprint.functions(plan),
    )


class _About(NamedTuple):
    flavour: str
    sizes: dict[str, int]


def _about(config: Mapping[str, Any]) -> tuple[str, dict[str, int]]:
    flavour = config.get("flavour")
    if not isinstance(flavour, str) or not flavour or len(flavour) > _TEXT:
        raise InputError("its flavour is not a name")
    sizes = {}
    for name, most in _SIZES.items():
        value, least = config.get(name), 0 if name in _MAY_BE_NONE else 1
        if type(value) is not int or not least <= value <= most:
            raise InputError(f"its {name} is not a whole number from {least} to {most}")
        sizes[name] = value
    return flavour, sizes


def _styles(state: StateDict, entries: Any, about: _About) -> tuple[Style, ...]:
    sound = isinstance(entries, list) and len(entries) <= _MOST_STYLES
    styles = []
    for i, entry in enumerate(entries if sound else ()):
        match entry:
            case {"name": str(name), "layer": int(layer), "to_rgb": bool(to_rgb)} if len(
                name
            ) <= _TEXT and 0 <= layer < max(1, about.sizes["num_layers"]):
                weight = state.take(f"styles.{i}", (None, about.sizes["latent_dim"]))
                styles.append(Style(name, layer, weight, to_rgb))
            case _:
                sound = False
    if not sound:
        raise state.error(f"the styles in its {CONFIG} are damaged")
    return tuple(styles)


def _shapes(plan: Blueprint, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return the shapes of the parameters; raises any error if the networks make no images."""
    dim, layers, key = sizes["latent_dim"], sizes["num_layers"], jax.random.key(0)

    def codes_of(z, *labels):
        if plan.mapping is None:
            return jnp.concatenate((z, *labels), axis=1), {}
        codes, variables = plan.mapping.init_with_output(key, z, *labels)
        return codes, variables["params"]

    def images_of(codes):
        transform = (
            [jnp.eye(3)[None]] if isinstance(plan.synthesis, stylegan3.Synthesis) else []
        )
        images, variables = plan.synthesis.init_with_output(key, codes, *transform)
        return images, variables["params"]

    z = [jax.ShapeDtypeStruct((1, sizes["z_dim"]), np.float32)]
    if sizes["num_labels"]:
        z.append(jax.ShapeDtypeStruct((1, sizes["num_labels"]), np.float32))
    codes, mapping = jax.eval_shape(codes_of, *z)
    if codes.shape != (1, max(1, plan.wide) * dim):
        raise ValueError
    code = (1, layers, dim) if layers else (1, dim)
    images, synthesis = jax.eval_shape(images_of, jax.ShapeDtypeStruct(code, np.float32))
    side = sizes["resolution"]
    if images.shape[:3] != (1, side, side) or images.shape[3] not in (1, 3, 4):
        raise ValueError
    if plan.wide not in (0, layers):
        raise ValueError
    return synthesis if plan.mapping is None else {"mapping": mapping, "synthesis": synthesis}
