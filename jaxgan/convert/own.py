"""Save and load generators that jaxgan trained: the ``generator.npz`` of a run.

The file of an image laboratory names its network, one of ``PAIRS``. The file of
``jaxgan.fit`` holds only arrays; the caller passes the network.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array
from jax.extend.core import Literal

from jaxgan.convert import clouds
from jaxgan.convert.flavours.dcgan import pretrained
from jaxgan.convert.formats import npz
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.errors import InputError
from jaxgan.networks.layers import NORMS
from jaxgan.networks.pairs import PAIRS
from jaxgan.runtime import replacing

FILE = "generator.npz"
OWN = "own"  # model of a network that is not in PAIRS
_SETTINGS = ("model", "size", "width", "channels", "norm", "latent_dim")
_FORMAT = 2  # files without it hold the networks of older versions
_NAMES_OF_OLD = {x: f"report_{x}" for x in ("dense", "conv", "dcgan")}
_LARGEST = {"size": 128, "width": 1024, "channels": 3, "latent_dim": 65536}
_MOST_CLASSES = 1000
_ROUNDING = 1e-5  # of the largest derivative, in float32


def save(path: Path, settings: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Write a generator to an ``.npz``, which ``load`` reads.

    A network of ``PAIRS`` always runs in float32 once loaded. The example of ``jaxgan.load``
    shows both functions.

    Args:
      path: Path of the file.
      settings: For a network of ``PAIRS``: ``model``, ``size``, ``width``, ``channels``,
        ``norm``, ``latent_dim``, and ``classes`` if it takes labels. For any other network:
        ``model`` with the value ``OWN``, and ``latent_dim``.
      variables: Variables of the Flax network.
    """
    flat = traverse_util.flatten_dict(dict(variables), sep=".")
    arrays = {name: plain(value) for name, value in flat.items()}
    text = json.dumps(_select(settings))
    content = np.frombuffer(text.encode(), np.uint8)
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, settings=content, **arrays)


def plain(value: Any) -> np.ndarray:
    """Convert a value to an array that NumPy can write; bfloat16 becomes float32."""
    return np.asarray(value, np.float32 if jnp.issubdtype(value.dtype, np.floating) else None)


def load(path: Path, network: nn.Module | None = None) -> Pretrained:
    """Load a generator that ``save`` wrote.

    Args:
      path: Path of the file, or of the run's folder.
      network: The network, if ``model`` is ``OWN``.

    Raises:
      InputError: If the file cannot be read, is of another kind, or does not fit the network.
    """
    file = path / FILE if os.path.isdir(path) else path
    if file is not path and not file.exists():
        if (path / "checkpoints").is_dir():
            raise InputError(
                f"{path} is a run that is not complete: the command, or the call of fit, that "
                "began it resumes it"
            )
        raise InputError(
            f"{path} is a folder without a {FILE} and without a checkpoint: give a complete "
            "image run, or a file"
        )
    arrays = npz.read(file)
    return assemble(file, arrays, _read_settings(arrays.pop("settings", None)), network)


def settings_of(file: Path) -> dict[str, Any]:
    """Read the settings that ``save`` wrote beside the arrays.

    Raises:
      InputError: If the file cannot be read, or is of another kind.
    """
    return _check(file, _read_settings(npz.read(file).pop("settings", None)))


def assemble(
    file: Path, arrays: dict[str, np.ndarray], settings: Any, network: nn.Module | None
) -> Pretrained:
    """Make the generator from arrays and settings as in ``save``; errors as in ``load``."""
    if clouds.is_settings(settings):
        raise InputError(
            f"{file} holds a generator of points, which makes no images: "
            "jaxgan.convert.points reads it"
        )
    settings = _check(file, settings)
    blueprint = _select(settings)
    if settings["model"] == OWN:
        generator = _own(file, arrays, settings["latent_dim"], network)
    elif network is not None:
        raise InputError(
            f"{file} is not a run of jaxgan.fit: its network is known, so do not pass one"
        )
    else:
        generator = _from_pair(file, arrays, settings)
    return dataclasses.replace(generator, blueprint=blueprint)


def _select(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Select the settings that a file keeps from those of a run."""
    names = ("model", "latent_dim") if settings["model"] == OWN else _SETTINGS
    names += ("classes",) if settings.get("classes") else ()
    return {"format": _FORMAT} | {name: settings[name] for name in names}


def _read_settings(text: np.ndarray | None) -> Any:
    try:
        return json.loads(text.tobytes() if text is not None else b"")
    except (ValueError, RecursionError):
        return None


def from_variables(
    name: str, settings: Mapping[str, Any], variables: Mapping[str, Any]
) -> Pretrained:
    """Make a generator of ``PAIRS`` from variables in memory.

    Args:
      name: Name of the generator in messages.
      settings: Settings as for ``save``.
      variables: Variables of the Flax network.

    Raises:
      InputError: If the variables do not fit the network.
    """
    flat = traverse_util.flatten_dict(dict(variables), sep=".")
    arrays = {key: plain(value) for key, value in flat.items()}
    settings = {"classes": 0} | dict(settings)
    generator = _from_pair(Path(name), arrays, settings)
    return dataclasses.replace(generator, blueprint=_select(settings))


def _from_pair(
    file: Path, arrays: dict[str, np.ndarray], settings: dict[str, Any]
) -> Pretrained:
    """Make a generator with a network of ``PAIRS``."""
    model, dim, classes = (settings[name] for name in ("model", "latent_dim", "classes"))
    form = {"classes": classes} if classes else {}
    network = PAIRS[model].generator(*(settings[name] for name in _SETTINGS[1:5]), **form)
    try:
        image, shapes = _shapes(network, dim, labels=bool(classes))
    except ZeroDivisionError as error:
        raise InputError(f"{file} has layers without channels") from error
    size, channels = settings["size"], settings["channels"]
    if image.shape != (1, size, size, channels):
        raise InputError(
            f"{file} says {channels} channels of {size} pixels, and its {model} makes others"
        )
    flavour = f"jaxgan {model}"
    variables = _variables(StateDict(Checkpoint(str(file), None, arrays), "", flavour), shapes)
    layer = "Dense_0" if "Dense_0" in variables["params"] else "ConvTranspose_0"
    matrix = variables["params"][layer]["kernel"]
    if layer == "Dense_0" and matrix.shape[0] == dim:
        matrix = matrix.T  # a dense kernel is [in, out], or [out, in] if it narrows
    style = Style(f"params.{layer}.kernel", 0, matrix.reshape(-1, dim))
    generator = pretrained(flavour, size, dim, network, variables, (style,))
    return _by_labels(generator, network, classes) if classes else generator


def _by_labels(generator: Pretrained, network: nn.Module, classes: int) -> Pretrained:
    """Make the generator whose codes are latents followed by rows of labels.

    Directions do not change the labels.
    """
    dim = generator.latent_dim
    (style,) = generator.styles

    def encode(variables: Any, z: Array, *rows: Array) -> Any:
        return jnp.concatenate((z, *rows), axis=1)

    def synthesise(variables: Any, codes: Array) -> Any:
        labels = codes[:, dim:].argmax(axis=1)
        return network.apply(variables, codes[:, :dim], labels, train=False)

    return dataclasses.replace(
        generator,
        latent_dim=dim + classes,
        z_dim=dim,
        num_labels=classes,
        encode=encode,
        synthesise=synthesise,
        styles=(style._replace(weight=np.pad(style.weight, ((0, 0), (0, classes)))),),
    )


def _own(
    file: Path, arrays: dict[str, np.ndarray], latent_dim: int, network: nn.Module | None
) -> Pretrained:
    """Make a generator with the caller's own network."""
    if not isinstance(network, nn.Module):
        raise InputError(
            f"{file} holds the arrays of a network of your own, and no code: pass the "
            "generator, as in jaxgan.load(path, network=MyGenerator())"
        )
    flavour = type(network).__name__
    images, shapes = _shapes(network, latent_dim)
    shape = list(getattr(images, "shape", ()))
    if len(shape) != 4 or shape[0] != 1 or shape[1] != shape[2] or shape[3] not in (1, 3):
        raise InputError(
            f"{flavour} makes no images: from one latent it makes {shape}, and images are "
            "[N, H, H, 1] or [N, H, H, 3]"
        )
    state = StateDict(Checkpoint(str(file), None, arrays), "", flavour)
    variables = _variables(state, shapes)
    styles = _entry(network, variables, latent_dim)
    return pretrained(flavour, shape[1], latent_dim, network, variables, styles)


def _shapes(network: nn.Module, latent_dim: int, *, labels: bool = False) -> tuple[Any, Any]:
    """Return the shapes of the network's output for one latent, and of its variables."""
    inputs = [jax.ShapeDtypeStruct((1, latent_dim), np.float32)]
    inputs += [jax.ShapeDtypeStruct((1,), np.int32)] * labels
    return jax.eval_shape(
        lambda *inputs: network.init_with_output(jax.random.key(0), *inputs, train=False),
        *inputs,
    )


def _variables(state: StateDict, shapes: Any) -> dict[str, Any]:
    """Fill the variables of a network with the arrays of a file; each is used once."""
    flat: dict[Any, Any] = traverse_util.flatten_dict(shapes)
    arrays = {path: state.take(".".join(path), like.shape) for path, like in flat.items()}
    state.finish()
    return traverse_util.unflatten_dict(arrays)


def _entry(network: nn.Module, variables: Any, latent_dim: int) -> tuple[Style, ...]:
    """Return the matrix of the first layer with a kernel, if latents enter only there.

    It is the derivative of the layer, so it does not matter how the layer stores its kernel.
    """
    name = ""

    def first(z: Array) -> Any:
        nonlocal name
        try:
            _apply(network, variables, z, _stop)
        except _FirstLayer as end:
            name = f"params.{'.'.join(end.path)}.kernel"
            return end.output
        return z

    draws = np.random.default_rng(0).standard_normal((2, 1, latent_dim)).astype(np.float32)
    with jax.default_matmul_precision("highest"):
        slopes = [np.asarray(jax.jacfwd(first)(z), np.float32) for z in draws]
    if not name or _passes_by(network, variables, latent_dim):
        return ()
    one, other = (slope.reshape(-1, latent_dim) for slope in slopes)
    if np.abs(one - other).max() > _ROUNDING * np.abs(one).max():
        return ()  # the layer's input is a nonlinear function of the latent
    return (Style(name, 0, one),)


class _FirstLayer(Exception):
    """Stops a network after its first layer."""

    def __init__(self, path: tuple[str, ...], output: Any):
        super().__init__()
        self.path, self.output = path, output


def _stop(path: tuple[str, ...], output: Any) -> Any:
    raise _FirstLayer(path, output)


def _passes_by(network: nn.Module, variables: Any, latent_dim: int) -> bool:
    """Return whether images depend on the latent if the first layer's output is constant."""

    def cut(z: Array) -> Any:
        constant = lambda _, output: jnp.zeros(output.shape, output.dtype)  # noqa: E731
        return _apply(network, variables, z, constant)

    program = jax.make_jaxpr(cut)(np.zeros((1, latent_dim), np.float32)).jaxpr
    dependent = set(program.invars)
    for equation in program.eqns:
        if any(not isinstance(x, Literal) and x in dependent for x in equation.invars):
            dependent.update(equation.outvars)
    return any(not isinstance(x, Literal) and x in dependent for x in program.outvars)


def _apply(
    network: nn.Module,
    variables: Any,
    z: Array,
    replace: Callable[[tuple[str, ...], Any], Any],
) -> Any:
    """Apply a network; replace the output of its first layer with a kernel."""
    done = False

    def intercept(call, args, kwargs, context):
        nonlocal done
        output = call(*args, **kwargs)
        layer = context.module
        is_layer = (
            context.method_name == "__call__" and layer.path
        )  # the network itself has no path
        if done or not is_layer or not layer.has_variable("params", "kernel"):
            return output
        done = True
        return replace(layer.path, output)

    with nn.intercept_methods(intercept):
        return network.apply(variables, z, train=False)


def _check(file: Path, settings: Any) -> dict[str, Any]:
    try:
        settings = dict(settings)
        own = settings["model"] == OWN
        sound = settings.setdefault("format", 1) in (1, _FORMAT)
        if not own and settings["format"] == 1:
            settings["model"] = _NAMES_OF_OLD[settings["model"]]
        if not own:
            sound = sound and settings["model"] in PAIRS and settings["norm"] in NORMS
            sound = sound and settings["channels"] in (1, 3)
        for name in ["latent_dim"] if own else _LARGEST:
            value = settings[name]
            sound = sound and type(value) is int and 0 < value <= _LARGEST[name]
        classes = settings.setdefault("classes", 0)
        sound = sound and type(classes) is int and 0 <= classes <= _MOST_CLASSES
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"{file} is not a generator that jaxgan wrote")
    return settings
