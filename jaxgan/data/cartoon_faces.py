"""Cartoon faces drawn from known factors: face images with no download, and their truth."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.errors import InputError, lookup

MAX_COUNT = 10**6
SIZES = (16, 256)  # smallest and largest side of an image, in pixels
_CHUNK = 96 * 64 * 64  # pixels drawn at once, few enough for a processor's cache


class Factor(NamedTuple):
    """One thing that varies between faces, independently of the others.

    Attributes:
      low: Smallest value.
      high: Largest value.
      about: What the two ends look like.
      binary: Whether only ``low`` and ``high`` occur, not what lies between.
    """

    low: float
    high: float
    about: str
    binary: bool = False


FACTORS: dict[str, Factor] = {
    "hair_length": Factor(0, 1, "nearly bald to below the shoulders"),
    "hair_colour": Factor(0, 1, "black, brown, auburn, ginger, blond, platinum; brows too"),
    "skin": Factor(0, 1, "light to dark"),
    "turn": Factor(-1, 1, "facing the left to facing the right of the image"),
    "smile": Factor(-1, 1, "sad to smiling"),
    "mouth_open": Factor(0, 1, "mouth shut to mouth open"),
    "glasses": Factor(0, 1, "without or with", binary=True),
    "age": Factor(0, 1, "no lines to deep lines of forehead, eyes and cheeks"),
    # The rest makes the set rich, and is less of a person.
    "background": Factor(0, 1, "teal, blue, lilac, rose, peach, yellow, green"),
    "shirt": Factor(0, 1, "navy, teal, green, mustard, coral, berry, cream"),
    "eye_colour": Factor(0, 1, "brown, hazel, green, blue, grey"),
    "fringe": Factor(-1, 1, "hair swept to the left to swept to the right of the image"),
    "head_width": Factor(-1, 1, "narrow to wide head"),
    "shift_x": Factor(-1, 1, "person to the left to person to the right"),
    "shift_y": Factor(-1, 1, "person up to person down"),
}


class Faces(NamedTuple):
    """Faces and what they show.

    Attributes:
      images: ``[N, size, size, 3]`` uint8, RGB.
      factors: Name in ``FACTORS`` to values ``[N]`` float32.
    """

    images: np.ndarray
    factors: dict[str, np.ndarray]


def load(count: int, seed: int = 0, size: int = 64) -> Faces:
    """Draw random faces: ``render`` of ``sample_factors``.

    Args:
      count: N, 1 to a million.
      seed: Of the factors.
      size: Side of the images in pixels, 16 to 256.

    Raises:
      InputError: If an argument is out of its range.
    """
    _check_whole("size", size, *SIZES)
    factors = sample_factors(count, seed)
    return Faces(render(factors, size), factors)


def sample_factors(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw factors, independent and uniform; face i depends only on the seed and on i.

    Args:
      count: N, 1 to a million.
      seed: Whole number, 0 or more.

    Returns:
      Name in ``FACTORS`` to values ``[N]`` float32.

    Raises:
      InputError: If an argument is out of its range.
    """
    _check_whole("count", count, 1, MAX_COUNT)
    _check_whole("seed", seed, 0)
    factors = {}
    for number, (name, factor) in enumerate(FACTORS.items()):
        values = np.random.default_rng([number, seed]).random(count)  # a stream for each
        if factor.binary:
            values = np.round(values)
        values = factor.low + (factor.high - factor.low) * values
        factors[name] = values.astype(np.float32)
    return factors


def render(factors: Mapping[str, ArrayLike], size: int = 64) -> np.ndarray:
    """Draw the faces that the factors describe.

    Args:
      factors: Every name in ``FACTORS`` to values ``[N]`` in the factor's range.
      size: Side of the images in pixels, 16 to 256.

    Returns:
      ``[N, size, size, 3]`` uint8, RGB.

    Raises:
      InputError: If a factor is unknown, missing, of another shape or out of its
        range, or if the size is.
    """
    _check_whole("size", size, *SIZES)
    values = _checked(factors)
    count = len(values["turn"])
    images = np.empty((count, size, size, 3), np.uint8)
    step = max(16, _CHUNK // size**2)
    for start in range(0, count, step):
        part = {name: value[start : start + step] for name, value in values.items()}
        images[start : start + step] = _draw(part, size)
    return images


def _check_whole(name: str, value: int, low: int, high: float = np.inf) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        bounds = f"of {low} or more" if high == np.inf else f"from {low} to {high}"
        raise InputError(f"{name} is {value!r}; it must be a whole number {bounds}")


def _checked(factors: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """The factors as float64 arrays ``[N]``."""
    for name in factors:
        lookup("factor", name, FACTORS)
    missing = [name for name in FACTORS if name not in factors]
    if missing:
        raise InputError(f"no values of the factor {', '.join(map(repr, missing))}")
    return {name: _checked_values(name, factors) for name in FACTORS}


def _checked_values(name: str, factors: Mapping[str, ArrayLike]) -> np.ndarray:
    first = next(iter(FACTORS))
    try:
        values, others = np.asarray(factors[name]), np.asarray(factors[first])
    except ValueError as error:
        raise InputError(f"factor {name!r} is not an array [N]: {error}") from error
    if values.dtype.kind not in "fiub":
        raise InputError(f"factor {name!r} holds {values.dtype}, not real numbers")
    if values.ndim != 1 or values.shape != others.shape or not len(values):
        raise InputError(
            f"factor {name!r} has shape {list(values.shape)} and {first!r} "
            f"{list(others.shape)}; all are [N], N the same and 1 or more"
        )
    values = values.astype(np.float64)
    low, high, _, binary = FACTORS[name]
    good = (values == low) | (values == high) if binary else (low <= values) & (values <= high)
    if not good.all():  # NaN is not good
        index = int(np.argmin(good))
        raise InputError(
            f"factor {name!r} is {values[index]:g} at {index} (counted from 0); it must be "
            f"{low:g} {'or' if binary else 'to'} {high:g}"
        )
    return values


# Colours, RGB 0 to 255, evenly spaced along the factor of that name.
_PALETTES = {
    "hair_colour": (
        (42, 34, 40),
        (84, 52, 40),
        (134, 78, 46),
        (172, 80, 44),
        (214, 122, 56),
        (234, 188, 104),
        (242, 230, 204),
    ),
    "skin": (
        (255, 226, 204),
        (248, 204, 170),
        (230, 174, 132),
        (194, 132, 92),
        (152, 100, 70),
        (114, 74, 56),
    ),
    "background": (
        (122, 190, 190),
        (136, 176, 222),
        (184, 170, 222),
        (232, 170, 190),
        (246, 190, 158),
        (240, 208, 130),
        (170, 208, 158),
    ),
    "shirt": (
        (52, 66, 112),
        (42, 120, 132),
        (76, 138, 96),
        (222, 168, 66),
        (228, 108, 86),
        (160, 64, 104),
        (244, 236, 222),
    ),
    "eye_colour": (
        (92, 56, 34),
        (138, 98, 44),
        (78, 132, 80),
        (66, 128, 188),
        (128, 146, 160),
    ),
}


def _rgb(*channels: float) -> np.ndarray:
    return np.array(channels, np.float32)[:, None]


_SHADOW = _rgb(0.80, 0.66, 0.68)  # of skin: darker and warmer
_BROW = _rgb(0.62, 0.53, 0.46)  # of hair
_INK = _rgb(58, 38, 44)
_WHITE = _rgb(255, 253, 250)
_BLUSH = _rgb(232, 84, 92)
_LIPS = _rgb(98, 26, 38)
_MOUTH = _rgb(104, 30, 42)
_RIM = _rgb(44, 48, 66)

# Measures below are in units of which the image spans this many left and right of, above and
# below its middle; y points down.
_SPAN = 0.9
_HEAD_Y = -0.12
_EYES_Y = -0.06
_SIDES = ((-1, "left"), (1, "right"))  # of the image


class _Scene(NamedTuple):
    """Pictures, or a window of them; the faces come last, so that windows stay contiguous.

    ``image [3, h, w, N]``, cover by the head ``head [h, w, N]``, coordinates
    ``x [1 or h, w, N]`` and ``y [h, 1 or w, N]`` from the middle of the person, and
    ``scale`` in pixels per unit of them.
    """

    image: np.ndarray
    head: np.ndarray
    x: np.ndarray
    y: np.ndarray
    scale: float


def _draw(factors: dict[str, np.ndarray], size: int) -> np.ndarray:
    """Paint faces back to front."""
    count = len(factors["turn"])
    axis = _SPAN * ((np.arange(size) + 0.5) * (2 / size) - 1)
    x = (axis[:, None] - 0.05 * factors["shift_x"]).astype(np.float32)[None]
    y = (axis[:, None] - 0.04 * factors["shift_y"]).astype(np.float32)[:, None]
    image = np.empty((3, size, size, count), np.float32)
    scene = _Scene(image, np.zeros_like(image[0]), x, y, size / 2 / _SPAN)

    pose = _pose(factors)
    colours = {name: _colour(name, factors[name]) for name in _PALETTES}

    _paint_background(scene, colours)
    hair = _hair_mass(scene, pose)
    behind = hair[1] * np.clip(pose["hair_length"] * 40 - 4.4, 0, 1)
    _paint(hair[0], behind, colours["hair_colour"] * np.float32(0.74))
    _paint_body(scene, pose, colours)
    _paint_head(scene, pose, colours)
    _paint_age(scene, pose, colours)
    _paint_eyes(scene, pose, colours)
    _paint_mouth_and_nose(scene, pose, colours)
    _paint_glasses(scene, pose)
    _paint_front_hair(*hair, pose, colours)
    return (scene.image + np.float32(0.5)).astype(np.uint8).transpose(3, 1, 2, 0)


def _pose(factors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The factors, and where a head of that width and turn has its eyes, as float32."""
    angle = 0.5 * factors["turn"]
    half = 0.44 + 0.03 * factors["head_width"]
    pose = factors | {"half": half, "sin": np.sin(angle), "cos": np.cos(angle)}
    for side, name in _SIDES:  # on a cylinder, 0.46 rad off the nose
        pose[f"{name}_x"] = 0.95 * half * np.sin(0.46 * side + angle)
        pose[f"{name}_cos"] = np.cos(0.46 * side + angle)
    return {name: value.astype(np.float32) for name, value in pose.items()}


def _colour(name: str, position: np.ndarray) -> np.ndarray:
    """Colours ``[3, N]`` at positions along a palette."""
    palette = np.array(_PALETTES[name], np.float64).T
    spots = np.linspace(0, 1, palette.shape[1])
    return np.stack([np.interp(position, spots, row) for row in palette]).astype(np.float32)


def _window(scene: _Scene, left, right, top, bottom) -> _Scene:
    """The part of a scene that holds these bounds ``[N]`` of every face, and a pixel more."""
    pixel = np.float32(1 / scene.scale)
    x, y = scene.x[0], scene.y[:, 0]
    columns = _span(((x > left - pixel) & (x < right + pixel)).any(axis=1))
    rows = _span(((y > top - pixel) & (y < bottom + pixel)).any(axis=1))
    return _Scene(
        scene.image[:, rows, columns],
        scene.head[rows, columns],
        scene.x[:, columns],
        scene.y[rows],
        scene.scale,
    )


def _span(inside: np.ndarray) -> slice:
    found = np.flatnonzero(inside)
    return slice(found[0], found[-1] + 1) if len(found) else slice(0)


def _paint(scene: _Scene, cover: np.ndarray, colour: np.ndarray) -> None:
    """Lay a colour ``[3, N]`` over a scene where it covers ``[h, w, N]``, 0 to 1."""
    for channel, value in zip(scene.image, colour, strict=False):
        change = value - channel
        change *= cover
        channel += change


def _edge(distance: np.ndarray) -> np.ndarray:
    """Cover by a shape, from the distance outside of it in pixels; overwrites that."""
    np.subtract(np.float32(0.5), distance, out=distance)
    return np.clip(distance, 0, 1, out=distance)


def _ellipse(scene: _Scene, x, y, a, b) -> np.ndarray:
    """Distance outside an ellipse with middle x, y and half axes a, b, in pixels."""
    radius = _radius(scene, x, y, a, b)
    radius -= 1
    radius *= np.sqrt(np.float32(a) * np.float32(b)) * np.float32(scene.scale)
    return radius


def _radius(scene: _Scene, x, y, a, b) -> np.ndarray:
    """Distance from a middle in units of the half axes: 1 on the ellipse."""
    across = (scene.x - x) / a
    down = (scene.y - y) / b
    across *= across
    down *= down
    square = across + down
    return np.sqrt(square, out=square)


def _slab(scene: _Scene, x, half, top, bottom, corners) -> np.ndarray:
    """Distance outside an upright box with elliptic corners, in pixels.

    ``corners``: their width, their height at the top, their height at the bottom.
    """
    wide, high, low = corners
    across = _beyond(np.abs(scene.x - x), half - wide, 1 / wide)
    above = _beyond(-scene.y, -(top + high), 1 / high)
    down = above + _beyond(scene.y, bottom - low, 1 / low)
    across *= across
    down *= down
    distance = across + down
    np.sqrt(distance, out=distance)
    distance -= 1
    distance *= wide * np.float32(scene.scale)
    return distance


def _beyond(values: np.ndarray, bound, factor) -> np.ndarray:
    """How far values are beyond a bound, times a factor; 0 before it."""
    values = values - bound
    np.maximum(values, 0, out=values)
    values *= factor
    return values


def _stroke(scene: _Scene, x, y, half, bend, thick) -> np.ndarray:
    """Cover by a line from ``x - half`` to ``x + half`` whose ends lie ``bend`` below y.

    It tapers from ``thick`` in the middle to nothing at the ends.
    """
    along = (scene.x - x) / half
    taper = np.sqrt(np.maximum(1 - along**2, 0)) * (thick * np.float32(scene.scale) / 2)
    steep = np.float32(scene.scale) / np.sqrt(1 + (2 * bend / half * along) ** 2)
    distance = np.abs(scene.y - (y + bend * along**2))
    distance *= steep
    np.subtract(taper + np.float32(0.5), distance, out=distance)
    # A line thinner than a pixel is pale, not as wide as a pixel.
    return np.clip(distance, 0, np.minimum(2 * taper, 1), out=distance)


def _sideways(scene: _Scene) -> _Scene:
    """The scene with x and y exchanged, to draw upright strokes."""
    head, x, y = (part.swapaxes(0, 1) for part in scene[1:4])
    return _Scene(scene.image.swapaxes(1, 2), head, y, x, scene.scale)


def _paint_background(scene: _Scene, colours) -> None:
    axis = np.linspace(-1, 1, scene.image.shape[1], dtype=np.float32)
    glow = 1.05 - 0.09 * (axis**2 + (axis[:, None] + 0.3) ** 2)
    np.multiply(colours["background"][:, None, None], glow[:, :, None], out=scene.image)
    np.minimum(scene.image, 255, out=scene.image)


def _hair_mass(scene: _Scene, pose) -> tuple[_Scene, np.ndarray]:
    """A window and the cover by all the hair, with no face cut out of it."""
    length = pose["hair_length"]
    # A wreath first, which stands off the head only when it closes over the top.
    thick = 0.03 * length + 0.08 * np.clip(length * 6 - 0.6, 0, 1)
    half = pose["half"] + thick
    top = -0.66 - thick
    bottom = -0.16 + 0.6 * length + 0.4 * length**2
    x = -0.06 * pose["sin"]
    view = _window(scene, x - half * 1.2, x + half * 1.2, top, bottom)
    below = np.maximum(view.y + 0.1, 0)
    flare = 1 + below * (0.16 - 0.5 * (0.45 - below) * (0.9 - below))
    warped = view._replace(x=(view.x - x) / flare)
    return view, _edge(_slab(warped, 0, half, top, bottom, (half, 0.55, 0.15)))


def _paint_body(scene: _Scene, pose, colours) -> None:
    skin, shirt = colours["skin"], colours["shirt"]
    view = _window(scene, -1.2, 1.2, 0.55, 1.2)
    cover = _edge(_slab(view, 0, 0.83, 0.60, 4, (0.5, 0.3, 0.3)))
    _paint(view, cover, shirt)
    x = -0.02 * pose["sin"]
    collar = _edge(_slab(view, x, 0.265, 0.2, 0.825, (0.2, 0.2, 0.2)))
    _paint(view, collar * cover, shirt * np.float32(0.78))

    view = _window(scene, -0.22, 0.22, 0.2, 0.78)
    neck = _edge(_slab(view, x, 0.19, 0, 0.76, (0.18, 0.18, 0.18)))
    _paint(view, neck, skin)
    chin = _edge(_ellipse(view, 0.06 * pose["sin"], _HEAD_Y + 0.1, pose["half"], 0.54))
    _paint(view, neck * chin * np.float32(0.8), skin * _SHADOW)


def _paint_head(scene: _Scene, pose, colours) -> None:
    skin, half = colours["skin"], pose["half"]
    view = _window(scene, -0.56, 0.56, -0.7, 0.46)
    # An egg: narrower below, with the chin drawn towards where the face looks.
    down = view.y - _HEAD_Y
    lean = pose["sin"] * (0.03 + 0.24 * down)
    narrow = 1 - 0.4 * np.maximum(down, 0) ** 2
    warped = view._replace(x=(view.x - lean) / narrow)
    cover = _edge(_ellipse(warped, 0, _HEAD_Y, half, 0.54))

    view.head[...] = cover
    _paint(view, cover, skin)
    light = warped.x * (0.9 - 0.5 * pose["sin"]) + (0.8 * down - 0.12)
    shade = np.clip(light, 0, 0.5, out=light)
    shade *= cover
    _paint(view, shade, skin * _SHADOW)

    for side, _ in _SIDES:
        # The near ear comes in front of the head, the far one goes behind it.
        near = np.clip(-side * 2.5 * pose["sin"], 0, 1)
        far = np.clip(side * 2.5 * pose["sin"], 0, 1)
        x = side * half * (0.985 - 0.12 * near - 0.2 * far) - 0.03 * pose["sin"]
        ear = _window(scene, x - 0.1, x + 0.1, -0.14, 0.16)
        free = 1 - (1 - near) * ear.head
        _paint(ear, free * _edge(_ellipse(ear, x, 0.0, 0.085, 0.125)), skin)
        inner = _edge(_ellipse(ear, x + side * 0.012, 0.0, 0.045, 0.075))
        _paint(ear, free * inner * np.float32(0.75), skin * _SHADOW)

    for _, name in _SIDES:
        x = 1.12 * pose[f"{name}_x"]
        cheek = _window(scene, x - 0.14, x + 0.14, 0.02, 0.24)
        soft = 1 - _radius(cheek, x, 0.13, 0.06 + 0.07 * pose[f"{name}_cos"], 0.10) ** 2
        _paint(cheek, cheek.head * np.maximum(soft, 0) * np.float32(0.22), _BLUSH)


def _paint_eyes(scene: _Scene, pose, colours) -> None:
    hair, iris = colours["hair_colour"], colours["eye_colour"]
    brow_colour = hair * _BROW + colours["skin"] * np.float32(0.15)
    for _, name in _SIDES:
        x = pose[f"{name}_x"]
        a = 0.106 * pose[f"{name}_cos"]
        view = _window(scene, x - 0.16, x + 0.16, -0.3, 0.08)
        _paint(view, _stroke(view, x, -0.235, a * 1.3, 0.035, 0.062), brow_colour)

        view = _window(scene, x - 0.13, x + 0.13, -0.18, 0.05)
        _paint(view, _edge(_ellipse(view, x, _EYES_Y - 0.018, a * 1.1, 0.09)), _INK)
        white = _edge(_ellipse(view, x, _EYES_Y + 0.006, a, 0.077))
        _paint(view, white, _WHITE)
        gaze = x + 0.055 * pose["sin"]
        ball = _edge(_ellipse(view, gaze, _EYES_Y - 0.006, 0.25 * a + 0.042, 0.066))
        _paint(view, ball * white, iris)
        pupil = _edge(_ellipse(view, gaze, _EYES_Y - 0.006, 0.1 * a + 0.022, 0.034))
        _paint(view, pupil * white, _INK)
        spark = _edge(_ellipse(view, gaze - 0.024, _EYES_Y - 0.034, 0.021, 0.021))
        _paint(view, spark * white, _WHITE)


def _paint_mouth_and_nose(scene: _Scene, pose, colours) -> None:
    skin = colours["skin"]
    x = 0.54 * pose["sin"]
    view = _window(scene, x - 0.1, x + 0.1, -0.1, 0.2)
    # A shadow that the tip, painted over it, leaves as a crescent.
    _paint(view, _edge(_ellipse(view, x, 0.112, 0.086, 0.056)), skin * _SHADOW)
    _paint(view, _edge(_ellipse(view, x, 0.088, 0.066, 0.056)), skin)

    x = 0.31 * pose["sin"]
    half = 0.2 * pose["cos"]
    view = _window(scene, x - half - 0.04, x + half + 0.04, 0.1, 0.46)
    along = np.clip((view.x - x) / half, -1, 1)
    bow = 1 - along**2
    upper = 0.22 + (0.12 * bow - 0.055) * pose["smile"] - 0.03 * bow * pose["mouth_open"]
    lower = upper + (0.125 * bow) * pose["mouth_open"]
    scale = np.float32(scene.scale)
    steep = scale / np.sqrt(1 + (0.24 / half * along * pose["smile"]) ** 2)
    inside = np.minimum(view.y - upper, lower - view.y)
    inside *= steep
    beyond = np.abs(view.x - x) - half  # the clipped curve would run on as a flat line
    inside -= np.maximum(beyond, 0) * scale * 2
    lips = np.clip(inside + (0.5 + 0.026 * scale * np.sqrt(bow + 0.1)), 0, 1)
    _paint(view, lips, skin * np.float32(0.42) + _LIPS)
    hole = np.clip(inside + 0.5, 0, 1)
    hole *= np.minimum(pose["mouth_open"] * 8, 1)
    _paint(view, hole, _MOUTH)
    row = 0.055 + 0.033 * np.minimum(pose["smile"], 0)
    teeth = np.clip((upper + row - view.y) * scale + 0.5, 0, 1)
    _paint(view, teeth * hole, _WHITE)


def _paint_age(scene: _Scene, pose, colours) -> None:
    colour = colours["skin"] * _SHADOW * np.float32(0.76)

    def paint(view, cover):
        _paint(view, cover * (pose["age"] * view.head), colour)

    x = 0.34 * pose["sin"]
    view = _window(scene, x - 0.26, x + 0.26, -0.44, -0.26)  # forehead
    for y, half in ((-0.385, 0.21), (-0.315, 0.25)):
        paint(view, _stroke(view, x, y, half * pose["cos"], 0.02, 0.034))
    for side, name in _SIDES:
        x, cos = pose[f"{name}_x"], pose[f"{name}_cos"]
        view = _window(scene, x - 0.12, x + 0.12, 0.02, 0.1)  # under the eye
        paint(view, _stroke(view, x, 0.075, 0.09 * cos, -0.03, 0.03))
        outer = x + side * 0.14 * cos
        view = _window(scene, outer - 0.06, outer + 0.06, -0.14, 0.06)  # beside it
        for slope in (-1, 0, 1):
            tilted = view._replace(y=view.y - side * slope * 0.5 * (view.x - outer))
            y = _EYES_Y + 0.04 * slope
            paint(view, _stroke(tilted, outer, y, 0.05 * cos, 0, 0.026))
        fold = 0.93 * x  # from the nose around the mouth
        view = _sideways(_window(scene, fold - 0.14, fold + 0.14, 0.08, 0.32))
        tilted = view._replace(y=view.y - side * 0.4 * (view.x - 0.2))
        bend = -side * 0.04
        paint(view, _stroke(tilted, 0.2, fold - bend / 2, 0.11, bend, 0.036))


def _paint_glasses(scene: _Scene, pose) -> None:
    worn = pose["glasses"]
    for side, name in _SIDES:
        x, a = 1.05 * pose[f"{name}_x"], 0.17 * pose[f"{name}_cos"]
        view = _window(scene, x - a - 0.02, x + a + 0.02, -0.22, 0.12)
        distance = _slab(view, x, a, -0.2, 0.1, (a * 0.8, 0.12, 0.14))
        lens = np.clip(0.5 - distance, 0, 1)
        _paint(view, lens * (worn * np.float32(0.12)), _WHITE)
        rim = np.abs(distance + 0.012 * view.scale) - 0.016 * view.scale
        # A rim thinner than a pixel is pale, not as wide as a pixel.
        _paint(view, _edge(rim) * (worn * min(0.032 * view.scale, 1)), _RIM)

        inner, outer = (x - i * side * (a - 0.01) for i in (1, -1))
        _paint_bar(scene, inner, 0.5 * pose["sin"], worn)
        ear = side * pose["half"] * 0.95 + 0.02 * pose["sin"]
        _paint_bar(scene, outer, side * np.maximum(side * ear, side * outer), worn)


def _paint_bar(scene: _Scene, start, stop, worn) -> None:
    """A level part of the rim of glasses."""
    x, half = (start + stop) / 2, np.abs(stop - start) / 2
    view = _window(scene, x - half, x + half, -0.12, -0.06)
    down = np.abs(view.y + 0.09) - 0.014
    across = np.abs(view.x - x) - half
    cover = _edge(down * view.scale) * _edge(across * view.scale)
    _paint(view, cover * (worn * min(0.028 * view.scale, 1)), _RIM)


def _paint_front_hair(view: _Scene, cover: np.ndarray, pose, colours) -> None:
    hair = colours["hair_colour"]
    sides = np.minimum(pose["hair_length"] * 10, 1)
    grown = np.clip(pose["hair_length"] * 6 - 0.6, 0, 1)
    x = 0.3 * pose["sin"] * sides
    half = pose["half"] * (1.08 - 0.23 * sides)
    top = -0.72 + 0.27 * grown
    high = 0.6 - 0.34 * grown
    # Swept to a side above, drawn to the neck below.
    tilted = (0.25 * pose["fringe"] * grown) * (view.x - x)
    narrow = 1 - 0.45 * np.clip(view.y - 0.08, 0, 0.6)
    opening = view._replace(x=(view.x - x) / narrow, y=view.y - tilted)
    face = _edge(_slab(opening, 0, half, top, 9, (half * 0.9, high, 1)))
    cover = cover * (1 - face)
    _paint(view, cover, hair)
    _paint(view, cover * np.clip(0.3 * view.y + 0.03, 0, 0.2), hair * np.float32(0.6))
    shine = 1 - np.abs(_radius(view, -0.1, 0.0, 0.46, 0.62) - 1) * 9
    shine = np.maximum(shine, 0) * np.clip(-0.25 - view.y, 0, 0.3)
    _paint(view, cover * shine, hair * np.float32(0.4) + 153)
