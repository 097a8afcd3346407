"""Numbers, ranges and lists in the words of a page."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from jaxgan.metrics import verdicts
from jaxgan.metrics.claims import Part
from jaxgan.metrics.intervals import Interval
from jaxgan.metrics.verdicts import Range

LOGARITHM = "ln"  # the unit of a measure that pages show as a factor


def number(value: float) -> str:
    """Three significant digits, none after the point from 100 on."""
    if not math.isfinite(value):
        return "?"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def interval(effect: Interval) -> str:
    """An effect with its interval, which no line breaks."""
    return f"{number(effect.mean)}\u00a0[{number(effect.low)},\u00a0{number(effect.high)}]"


def range_text(range_: Range) -> str:
    """A range in words."""
    low, high = range_
    if math.isinf(high):
        return f"above {low:.3g}"
    if math.isinf(low):
        return f"below {high:.3g}"
    return f"from {low:.3g} to {high:.3g}"


def effect_text(part: Part, effect: Interval) -> str:
    """What was measured of a part, and what its claim needs, in a line each."""
    range_, words = part.allowed, part.measure.unit
    if words == LOGARITHM:
        effect, range_ = Interval(*map(_exp, effect)), Range(*map(_exp, range_))
        words = "" if len(part.roles) == 1 else "times"
    between = ""
    if len(part.roles) == 2 and not part.measure.apart:
        between = f" {'over' if part.measure.unit == LOGARITHM else 'minus'} ".join(part.roles)
        between += ": "
    return f"{between}{interval(effect)} {words}".rstrip() + f"\nneeded: {range_text(range_)}"


def mean_of(part: Part, mean: float) -> str:
    """The mean of one role over seeds; of logarithms the geometric mean."""
    return number(_exp(mean) if part.measure.unit == LOGARITHM else mean)


def _exp(value: float) -> float:
    """The factor that a logarithm stands for; an end that is open stays open."""
    return value if math.isinf(value) else math.exp(min(value, 700.0))


def join(names: Sequence[str]) -> str:
    """Names with commas and an "and"."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


def plural(count: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def spread(by_setting: Iterable[str]) -> str:
    """How many settings have which verdict, where they do not agree; else nothing."""
    counts = Counter(by_setting)
    if len(counts) == 1:
        return ""
    each = [f"{x} in {counts[x]}" for x in verdicts.VERDICTS if x in counts]
    each[0] += f" of {counts.total()} settings"
    return f"({', '.join(each)})"
