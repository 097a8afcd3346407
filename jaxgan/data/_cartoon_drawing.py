"""The parts of a cartoon face, and their colours."""

import numpy as np

from jaxgan.data._cartoon_shapes import (
    Scene,
    edge,
    ellipse,
    paint,
    radius,
    sideways,
    slab,
    stroke,
    window,
)

# RGB colours from 0 to 255, evenly spaced along the factor of the same name.
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


_SHADOW = _rgb(0.80, 0.66, 0.68)  # factors that make skin darker and warmer
_BROW = _rgb(0.62, 0.53, 0.46)  # factors from the colour of hair to that of brows
_INK = _rgb(58, 38, 44)
_WHITE = _rgb(255, 253, 250)
_BLUSH = _rgb(232, 84, 92)
_LIPS = _rgb(98, 26, 38)
_MOUTH = _rgb(104, 30, 42)
_RIM = _rgb(44, 48, 66)

# The image spans this many units in each direction from its middle; y points down.
_SPAN = 0.9
_HEAD_Y = -0.12
_EYES_Y = -0.06
_SIDES = ((-1, "left"), (1, "right"))  # as seen in the image


def draw(factors: dict[str, np.ndarray], size: int) -> np.ndarray:
    """Paint faces back to front.

    Args:
      factors: Values ``[N]`` float64, by name in ``cartoon_faces.FACTORS``.
      size: Side of the images in pixels.

    Returns:
      ``[N, size, size, 3]`` uint8, RGB.
    """
    count = len(factors["turn"])
    axis = _SPAN * ((np.arange(size) + 0.5) * (2 / size) - 1)
    x = (axis[:, None] - 0.05 * factors["shift_x"]).astype(np.float32)[None]
    y = (axis[:, None] - 0.04 * factors["shift_y"]).astype(np.float32)[:, None]
    image = np.empty((3, size, size, count), np.float32)
    scene = Scene(image, np.zeros_like(image[0]), x, y, size / 2 / _SPAN)

    pose = _pose(factors)
    colours = {name: _colour(name, factors[name]) for name in _PALETTES}

    _paint_background(scene, colours)
    hair = _hair_mass(scene, pose)
    behind = hair[1] * np.clip(pose["hair_length"] * 40 - 4.4, 0, 1)
    paint(hair[0], behind, colours["hair_colour"] * np.float32(0.74))
    _paint_body(scene, pose, colours)
    _paint_head(scene, pose, colours)
    _paint_age(scene, pose, colours)
    _paint_eyes(scene, pose, colours)
    _paint_mouth_and_nose(scene, pose, colours)
    _paint_glasses(scene, pose)
    _paint_front_hair(*hair, pose, colours)
    return (scene.image + np.float32(0.5)).astype(np.uint8).transpose(3, 1, 2, 0)


def _pose(factors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add the positions of the eyes for the head's width and turn; all as float32."""
    angle = 0.5 * factors["turn"]
    half = 0.44 + 0.03 * factors["head_width"]
    pose = factors | {"half": half, "sin": np.sin(angle), "cos": np.cos(angle)}
    for side, name in _SIDES:  # the head is a cylinder, the eyes 0.46 rad off the nose
        pose[f"{name}_x"] = 0.95 * half * np.sin(0.46 * side + angle)
        pose[f"{name}_cos"] = np.cos(0.46 * side + angle)
    return {name: value.astype(np.float32) for name, value in pose.items()}


def _colour(name: str, position: np.ndarray) -> np.ndarray:
    """Interpolate colours ``[3, N]`` at positions along a palette."""
    palette = np.array(_PALETTES[name], np.float64).T
    spots = np.linspace(0, 1, palette.shape[1])
    return np.stack([np.interp(position, spots, row) for row in palette]).astype(np.float32)


def _paint_background(scene: Scene, colours) -> None:
    axis = np.linspace(-1, 1, scene.image.shape[1], dtype=np.float32)
    glow = 1.05 - 0.09 * (axis**2 + (axis[:, None] + 0.3) ** 2)
    np.multiply(colours["background"][:, None, None], glow[:, :, None], out=scene.image)
    np.minimum(scene.image, 255, out=scene.image)


def _hair_mass(scene: Scene, pose) -> tuple[Scene, np.ndarray]:
    """Return a window and the coverage by all hair, without a hole for the face."""
    length = pose["hair_length"]
    # Short hair is a wreath; it stands off the head only once it closes over the top.
    thick = 0.03 * length + 0.08 * np.clip(length * 6 - 0.6, 0, 1)
    half = pose["half"] + thick
    top = -0.66 - thick
    bottom = -0.16 + 0.6 * length + 0.4 * length**2
    x = -0.06 * pose["sin"]
    view = window(scene, x - half * 1.2, x + half * 1.2, top, bottom)
    below = np.maximum(view.y + 0.1, 0)
    flare = 1 + below * (0.16 - 0.5 * (0.45 - below) * (0.9 - below))
    frame = view._replace(x=(view.x - x) / flare)
    return view, edge(slab(frame, 0, half, top, bottom, (half, 0.55, 0.15)))


def _paint_body(scene: Scene, pose, colours) -> None:
    skin, shirt = colours["skin"], colours["shirt"]
    view = window(scene, -1.2, 1.2, 0.55, 1.2)
    coverage = edge(slab(view, 0, 0.83, 0.60, 4, (0.5, 0.3, 0.3)))
    paint(view, coverage, shirt)
    x = -0.02 * pose["sin"]
    collar = edge(slab(view, x, 0.265, 0.2, 0.825, (0.2, 0.2, 0.2)))
    paint(view, collar * coverage, shirt * np.float32(0.78))

    view = window(scene, -0.22, 0.22, 0.2, 0.78)
    neck = edge(slab(view, x, 0.19, 0, 0.76, (0.18, 0.18, 0.18)))
    paint(view, neck, skin)
    chin = edge(ellipse(view, 0.06 * pose["sin"], _HEAD_Y + 0.1, pose["half"], 0.54))
    paint(view, neck * chin * np.float32(0.8), skin * _SHADOW)


def _paint_head(scene: Scene, pose, colours) -> None:
    skin, half = colours["skin"], pose["half"]
    view = window(scene, -0.56, 0.56, -0.7, 0.46)
    # The head is an egg, narrower below; its chin leans to the side where the face looks.
    down = view.y - _HEAD_Y
    lean = pose["sin"] * (0.03 + 0.24 * down)
    narrow = 1 - 0.4 * np.maximum(down, 0) ** 2
    frame = view._replace(x=(view.x - lean) / narrow)
    coverage = edge(ellipse(frame, 0, _HEAD_Y, half, 0.54))

    view.head[...] = coverage
    paint(view, coverage, skin)
    light = frame.x * (0.9 - 0.5 * pose["sin"]) + (0.8 * down - 0.12)
    shade = np.clip(light, 0, 0.5, out=light)
    shade *= coverage
    paint(view, shade, skin * _SHADOW)

    for side, _ in _SIDES:
        # The near ear comes in front of the head, the far one goes behind it.
        near = np.clip(-side * 2.5 * pose["sin"], 0, 1)
        far = np.clip(side * 2.5 * pose["sin"], 0, 1)
        x = side * half * (0.985 - 0.12 * near - 0.2 * far) - 0.03 * pose["sin"]
        ear = window(scene, x - 0.1, x + 0.1, -0.14, 0.16)
        free = 1 - (1 - near) * ear.head
        paint(ear, free * edge(ellipse(ear, x, 0.0, 0.085, 0.125)), skin)
        inner = edge(ellipse(ear, x + side * 0.012, 0.0, 0.045, 0.075))
        paint(ear, free * inner * np.float32(0.75), skin * _SHADOW)

    for _, name in _SIDES:
        x = 1.12 * pose[f"{name}_x"]
        cheek = window(scene, x - 0.14, x + 0.14, 0.02, 0.24)
        soft = 1 - radius(cheek, x, 0.13, 0.06 + 0.07 * pose[f"{name}_cos"], 0.10) ** 2
        paint(cheek, cheek.head * np.maximum(soft, 0) * np.float32(0.22), _BLUSH)


def _paint_eyes(scene: Scene, pose, colours) -> None:
    hair, iris = colours["hair_colour"], colours["eye_colour"]
    brow_colour = hair * _BROW + colours["skin"] * np.float32(0.15)
    for _, name in _SIDES:
        x = pose[f"{name}_x"]
        a = 0.106 * pose[f"{name}_cos"]
        view = window(scene, x - 0.16, x + 0.16, -0.3, 0.08)
        paint(view, stroke(view, x, -0.235, a * 1.3, 0.035, 0.062), brow_colour)

        view = window(scene, x - 0.13, x + 0.13, -0.18, 0.05)
        paint(view, edge(ellipse(view, x, _EYES_Y - 0.018, a * 1.1, 0.09)), _INK)
        white = edge(ellipse(view, x, _EYES_Y + 0.006, a, 0.077))
        paint(view, white, _WHITE)
        gaze = x + 0.055 * pose["sin"]
        ball = edge(ellipse(view, gaze, _EYES_Y - 0.006, 0.25 * a + 0.042, 0.066))
        paint(view, ball * white, iris)
        pupil = edge(ellipse(view, gaze, _EYES_Y - 0.006, 0.1 * a + 0.022, 0.034))
        paint(view, pupil * white, _INK)
        spark = edge(ellipse(view, gaze - 0.024, _EYES_Y - 0.034, 0.021, 0.021))
        paint(view, spark * white, _WHITE)


def _paint_mouth_and_nose(scene: Scene, pose, colours) -> None:
    skin = colours["skin"]
    x = 0.54 * pose["sin"]
    view = window(scene, x - 0.1, x + 0.1, -0.1, 0.2)
    # The tip of the nose covers its shadow up to a crescent.
    paint(view, edge(ellipse(view, x, 0.112, 0.086, 0.056)), skin * _SHADOW)
    paint(view, edge(ellipse(view, x, 0.088, 0.066, 0.056)), skin)

    x = 0.31 * pose["sin"]
    half = 0.2 * pose["cos"]
    view = window(scene, x - half - 0.04, x + half + 0.04, 0.1, 0.46)
    along = np.clip((view.x - x) / half, -1, 1)
    bow = 1 - along**2
    upper = 0.22 + (0.12 * bow - 0.055) * pose["smile"] - 0.03 * bow * pose["mouth_open"]
    lower = upper + (0.125 * bow) * pose["mouth_open"]
    scale = np.float32(scene.scale)
    steep = scale / np.sqrt(1 + (0.24 / half * along * pose["smile"]) ** 2)
    inside = np.minimum(view.y - upper, lower - view.y)
    inside *= steep
    beyond = np.abs(view.x - x) - half  # otherwise the clipped curve runs on as a flat line
    inside -= np.maximum(beyond, 0) * scale * 2
    lips = np.clip(inside + (0.5 + 0.026 * scale * np.sqrt(bow + 0.1)), 0, 1)
    paint(view, lips, skin * np.float32(0.42) + _LIPS)
    hole = np.clip(inside + 0.5, 0, 1)
    hole *= np.minimum(pose["mouth_open"] * 8, 1)
    paint(view, hole, _MOUTH)
    row = 0.055 + 0.033 * np.minimum(pose["smile"], 0)
    teeth = np.clip((upper + row - view.y) * scale + 0.5, 0, 1)
    paint(view, teeth * hole, _WHITE)


def _paint_age(scene: Scene, pose, colours) -> None:
    colour = colours["skin"] * _SHADOW * np.float32(0.76)

    def wrinkle(view, coverage):
        paint(view, coverage * (pose["age"] * view.head), colour)

    x = 0.34 * pose["sin"]
    view = window(scene, x - 0.26, x + 0.26, -0.44, -0.26)  # forehead
    for y, half in ((-0.385, 0.21), (-0.315, 0.25)):
        wrinkle(view, stroke(view, x, y, half * pose["cos"], 0.02, 0.034))
    for side, name in _SIDES:
        x, cos = pose[f"{name}_x"], pose[f"{name}_cos"]
        view = window(scene, x - 0.12, x + 0.12, 0.02, 0.1)  # under the eye
        wrinkle(view, stroke(view, x, 0.075, 0.09 * cos, -0.03, 0.03))
        outer = x + side * 0.14 * cos
        view = window(scene, outer - 0.06, outer + 0.06, -0.14, 0.06)  # beside it
        for slope in (-1, 0, 1):
            tilted = view._replace(y=view.y - side * slope * 0.5 * (view.x - outer))
            y = _EYES_Y + 0.04 * slope
            wrinkle(view, stroke(tilted, outer, y, 0.05 * cos, 0, 0.026))
        fold = 0.93 * x  # from the nose around the mouth
        view = sideways(window(scene, fold - 0.14, fold + 0.14, 0.08, 0.32))
        tilted = view._replace(y=view.y - side * 0.4 * (view.x - 0.2))
        bend = -side * 0.04
        wrinkle(view, stroke(tilted, 0.2, fold - bend / 2, 0.11, bend, 0.036))


def _paint_glasses(scene: Scene, pose) -> None:
    presence = pose["glasses"]
    for side, name in _SIDES:
        x, a = 1.05 * pose[f"{name}_x"], 0.17 * pose[f"{name}_cos"]
        view = window(scene, x - a - 0.02, x + a + 0.02, -0.22, 0.12)
        distance = slab(view, x, a, -0.2, 0.1, (a * 0.8, 0.12, 0.14))
        lens = np.clip(0.5 - distance, 0, 1)
        paint(view, lens * (presence * np.float32(0.12)), _WHITE)
        rim = np.abs(distance + 0.012 * view.scale) - 0.016 * view.scale
        # A rim thinner than a pixel is pale instead of a pixel wide.
        paint(view, edge(rim) * (presence * min(0.032 * view.scale, 1)), _RIM)

        inner, outer = (x - i * side * (a - 0.01) for i in (1, -1))
        _paint_bar(scene, inner, 0.5 * pose["sin"], presence)
        ear = side * pose["half"] * 0.95 + 0.02 * pose["sin"]
        _paint_bar(scene, outer, side * np.maximum(side * ear, side * outer), presence)


def _paint_bar(scene: Scene, start, stop, presence) -> None:
    """Paint a horizontal part of the rim of glasses."""
    x, half = (start + stop) / 2, np.abs(stop - start) / 2
    view = window(scene, x - half, x + half, -0.12, -0.06)
    down = np.abs(view.y + 0.09) - 0.014
    across = np.abs(view.x - x) - half
    coverage = edge(down * view.scale) * edge(across * view.scale)
    paint(view, coverage * (presence * min(0.028 * view.scale, 1)), _RIM)


def _paint_front_hair(view: Scene, coverage: np.ndarray, pose, colours) -> None:
    hair = colours["hair_colour"]
    sides = np.minimum(pose["hair_length"] * 10, 1)
    length = np.clip(pose["hair_length"] * 6 - 0.6, 0, 1)
    x = 0.3 * pose["sin"] * sides
    half = pose["half"] * (1.08 - 0.23 * sides)
    top = -0.72 + 0.27 * length
    high = 0.6 - 0.34 * length
    # The fringe sweeps to a side, and the hair below closes in on the neck.
    tilt = (0.25 * pose["fringe"] * length) * (view.x - x)
    narrow = 1 - 0.45 * np.clip(view.y - 0.08, 0, 0.6)
    opening = view._replace(x=(view.x - x) / narrow, y=view.y - tilt)
    face = edge(slab(opening, 0, half, top, 9, (half * 0.9, high, 1)))
    coverage = coverage * (1 - face)
    paint(view, coverage, hair)
    paint(view, coverage * np.clip(0.3 * view.y + 0.03, 0, 0.2), hair * np.float32(0.6))
    shine = 1 - np.abs(radius(view, -0.1, 0.0, 0.46, 0.62) - 1) * 9
    shine = np.maximum(shine, 0) * np.clip(-0.25 - view.y, 0, 0.3)
    paint(view, coverage * shine, hair * np.float32(0.4) + 153)
