"""Optimizers of optax by name and settings: ``optax.adamw:b1=0.5,weight_decay=1e-3``.

A name is ``optax.`` and a function of optax that makes an optimizer from a learning rate.
Settings may follow after a colon: arguments of that function that are numbers or booleans.
No part of a name is evaluated as code.
"""

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxgan.errors import InputError

PREFIX = "optax."
_RATE = "learning_rate"
_BETAS = ("b1", "b2")
_DECAYS = (*_BETAS, "b3", "decay", "momentum", "rho")

Settings = Mapping[str, float | bool]


@functools.cache
def factories() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """Return the functions of the installed optax that take a learning rate."""
    return {
        name: function
        for name, function in vars(optax).items()
        if isinstance(function, types.FunctionType | functools.partial)
        and not name.startswith(("_", "scale_by_"))  # the latter are no whole optimizers
        and _RATE in inspect.signature(function).parameters
    }


def parse(name: str) -> tuple[str, Settings]:
    """Parse a name to a function of optax and its settings.

    Raises:
      InputError: If the installed optax does not have this optimizer, or the optimizer
        does not have this setting.
    """
    function, _, text = name.removeprefix(PREFIX).partition(":")
    available = factories()
    if function not in available:
        there = function in vars(optax)
        reason = "makes no optimizer with a learning rate" if there else "is unknown"
        choices = ", ".join(available)
        raise InputError(
            f"optimizer {PREFIX + function!r} {reason}; of optax choose from {choices}"
        )
    defaults, settings = _defaults(available[function]), {}
    for part in text.split(",") if text else []:
        setting, _, value = (word.strip() for word in part.partition("="))
        if setting not in defaults:
            raise InputError(
                f"optimizer {name!r}: no setting {setting!r} that is a number; choose from "
                f"{', '.join(defaults) or 'none'}"
            )
        if setting in settings:
            raise InputError(f"optimizer {name!r}: {setting} is given twice")
        settings[setting] = _value(name, setting, value, defaults[setting])
    return function, settings


def canonical(name: str) -> str:
    """Spell a name with its numbers in their shortest form and its settings in order.

    A given setting stays even if it has its default value: ``optax.adam`` and
    ``optax.adam:b1=0.9`` are two spellings.

    Raises:
      InputError: As in ``parse``.

    Examples:
      >>> from jaxgan.training import from_optax
      >>> from_optax.canonical("optax.adamw:weight_decay=1e-3,b1=0.50")
      'optax.adamw:b1=0.5,weight_decay=0.001'
    """
    function, settings = parse(name)
    words = ",".join(f"{x}={str(settings[x]).lower()}" for x in sorted(settings))
    return f"{PREFIX}{function}" + (f":{words}" if words else "")


def make(
    name: str, learning_rate: optax.ScalarOrSchedule, betas: Sequence[float] = ()
) -> optax.GradientTransformation:
    """Make an optimizer by name.

    Args:
      name: As in ``parse``.
      learning_rate: A number, which may be traced, or a schedule.
      betas: ``b1`` and ``b2`` of an optimizer that has these settings, unless the name gives
        them; if empty, optax's defaults hold.

    Raises:
      InputError: As in ``parse``, or if the optimizer needs more than gradients, weights and
        a learning rate that may be traced.

    Examples:
      >>> import jax.numpy as jnp
      >>> from jaxgan.training import from_optax
      >>> optimizer = from_optax.make("optax.lion:b1=0.8", 1e-3)
      >>> state = optimizer.init({"w": jnp.zeros(3)})
    """
    function, settings = parse(name)
    defaults = _defaults(factories()[function])
    pairs = zip(_BETAS, betas, strict=False)
    settings = {**{x: y for x, y in pairs if x in defaults}, **settings}
    _try(function, tuple(settings.items()), callable(learning_rate))
    return factories()[function](learning_rate, **settings)


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments that are numbers or booleans, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name != _RATE
        and (
            isinstance(parameter.default, bool | int | float)
            or {int, float} & set(typing.get_args(parameter.annotation))
        )
    }


def _value(name: str, setting: str, text: str, default: Any) -> float | bool:
    """Read the value of a setting; it has the type of the default and is within limits."""
    kinds: dict[type, tuple[str, Callable[[str], float | bool]]] = {
        bool: ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
        int: ("a whole number that is not negative", int),
        float: ("a finite number that is not negative", float),
        type(None): ("a finite number that is not negative", _number),
    }
    rule, read = kinds.get(type(default), kinds[float])
    limit = math.inf
    if setting in _DECAYS:
        limit, rule = 1.0, "a number, at least 0 and below 1"
    try:
        value = read(text)
        if 0 <= value < limit:
            return value
    except (KeyError, ValueError, OverflowError):
        pass
    raise InputError(f"optimizer {name!r}: {setting}={text} must be {rule}")


def _number(text: str) -> float:
    """Read an int if possible (a key must be one), else a float."""
    try:
        return int(text)
    except ValueError:
        return float(text)


@functools.cache
def _try(function: str, settings: tuple[tuple[str, Any], ...], scheduled: bool) -> None:
    """Trace an update with a traced learning rate.

    Raises:
      InputError: If that is impossible, or the state changes its shape.
    """
    # Only shapes: arrays would start the devices before they are configured.
    params = {
        "kernel": jax.ShapeDtypeStruct((3, 2), jnp.float32),
        "bias": jax.ShapeDtypeStruct((2,), jnp.float32),
    }

    def state(rate, params, updates):
        learning_rate = (lambda count: rate) if scheduled else rate
        optimizer = factories()[function](learning_rate, **dict(settings))
        state = optimizer.init(params)
        for _ in range(updates):
            _, state = optimizer.update(params, state, params)
        return state

    name = PREFIX + function
    try:
        before, after = (
            jax.eval_shape(functools.partial(state, updates=n), 1.0, params) for n in range(2)
        )
    except Exception as error:  # an optimizer that needs more may raise anything
        if scheduled:
            _try(function, settings, False)
            raise InputError(
                f"optimizer {name} takes a constant learning rate only, no schedule; that is "
                "the schedule 'constant'"
            ) from error
        raise InputError(
            f"optimizer {name} cannot be used: it needs more than gradients, weights and a "
            f"learning rate that may be traced ({type(error).__name__}: {error})"
        ) from error
    if jax.tree.map(_kind, before) != jax.tree.map(_kind, after):
        raise InputError(f"optimizer {name} cannot be used: its state changes its shape")


def _kind(leaf: Any) -> tuple[Any, ...]:
    return leaf.shape, leaf.dtype
