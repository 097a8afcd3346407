"""Find faces in photographs and crop them as FFHQ does.

MediaPipe's face detector looks at the whole picture, at full and at half size, upright and
in three rotations. The face mesh then locates the eyes and the mouth. The crop is that of
FFHQ: Karras et al., arXiv 1812.04948, appendix A.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.judges import oracles

DETECTOR_SIZE, CELLS = 192, 48  # side of the detector's input in pixels, and of its grid
SURE = 0.6  # least confidence of a detected face
SMALLEST = 12.0  # least size of a face, pixels: see Box.size
LESSER = 0.5  # a second face that is smaller than this share of the first is left out
PROFILE = 50.0  # degrees of head turn above which a remark warns
_APART = 1.0  # least distance of two faces, in sizes of the larger one
_UPRIGHT = 0.1  # how much surer the detector must be of a rotated picture
# Landmarks on the lids and corners of each eye: FFHQ takes the mean of six points, too.
_LEFT = (33, 160, 158, 133, 153, 144)
_RIGHT = (362, 385, 387, 263, 373, 380)
_MOUTH = (61, 291)


class Box(NamedTuple):
    """A face that the detector found.

    Attributes:
      score: Confidence, 0 to 1.
      left: The eye on the viewer's left ``(x, y)``, in pixels.
      right: The other eye.
      mouth: The middle of the mouth.
    """

    score: float
    left: np.ndarray
    right: np.ndarray
    mouth: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """The point between the eyes."""
        return (self.left + self.right) / 2

    @property
    def size(self) -> float:
        """Pixels between the eyes, or from the eyes to the mouth if that is more."""
        apart, long = self.right - self.left, self.mouth - self.middle
        return float(max(np.linalg.norm(apart), np.linalg.norm(long)))


class Face(NamedTuple):
    """A cropped face.

    Attributes:
      image: ``[size, size, 3]`` uint8, cropped as in FFHQ.
      remarks: Lines about what was done and what may go wrong.
    """

    image: np.ndarray
    remarks: tuple[str, ...] = ()


Finder = Callable[[np.ndarray, int], Face]


def require() -> None:
    """Refuse to go on without ai-edge-litert.

    Raises:
      InputError: If it is not installed.
    """
    oracles.extra(oracles.LITERT)


def finder() -> Finder:
    """Make a function that finds the face of a picture and crops it.

    The function takes a picture ``[H, W, 3]`` uint8 and the side of the crop in pixels. It
    raises ``InputError`` if there is no face, if there are several of similar size, or if
    the only one is too small. ``docs/photo.md`` shows it at work.

    Raises:
      InputError: If the files cannot be downloaded or ai-edge-litert is not installed.
    """
    detect, landmarks = _detector(), oracles.landmarks(oracles.MEDIAPIPE)

    def find(image: np.ndarray, size: int) -> Face:
        views = [np.rot90(image, quarter) for quarter in range(4)]
        detections = [detect(view) for view in views]
        surest = [max((box.score for box in boxes), default=0.0) for boxes in detections]
        surest[0] += _UPRIGHT
        turns = int(np.argmax(surest))
        box, remarks = _only(detections[turns])
        if turns:
            remarks += (f"turned by {90 * turns if turns < 3 else -90} degrees to be upright",)
        view, left, right = views[turns], box.left, box.right
        for _ in range(2):  # the second pass refines the crop of the first
            frame = _mesh_frame(left, right)
            (points,), (is_face,) = landmarks(cut(view, frame, oracles.MESH_SIZE)[None])
            if not is_face:
                raise InputError("no face is seen in it")
            flat = frame.at(points[:, :2] / oracles.MESH_SIZE)
            left, right = flat[list(_LEFT)].mean(axis=0), flat[list(_RIGHT)].mean(axis=0)
        turn = float(oracles.geometry(points[None])[0, 0])
        if abs(turn) > PROFILE:
            side = "right" if turn > 0 else "left"
            remarks += (
                f"the head is turned by {abs(turn):.0f} degrees to the {side}: few of "
                "a generator's pictures are",
            )
        mouth = flat[list(_MOUTH)].mean(axis=0)
        return Face(cut(view, ffhq_frame(left, right, mouth), size), remarks)

    return find


def _only(boxes: list[Box]) -> tuple[Box, tuple[str, ...]]:
    """Return the main face, and a remark if there are smaller ones."""
    if not boxes:
        raise InputError("no face is seen in it; cut it to the face if that is small")
    boxes = sorted(boxes, key=lambda box: -box.size)
    first, *rest = boxes
    like = [box for box in rest if box.size > LESSER * first.size]
    if like:
        raise InputError(f"{1 + len(like)} faces are seen in it; cut it to one of them")
    if first.size < SMALLEST:
        raise InputError(
            f"its face is too small: {first.size:.0f} pixels from the eyes to the mouth; at "
            f"least {SMALLEST:.0f} are needed"
        )
    return first, (f"{len(rest)} smaller in the background: left out",) * bool(rest)


class Frame(NamedTuple):
    """A square in a picture, which may be turned.

    Attributes:
      corner: Its upper left corner ``(x, y)`` in pixels.
      across: From there to the upper right corner.
      down: From there to the lower left corner.
    """

    corner: np.ndarray
    across: np.ndarray
    down: np.ndarray

    def at(self, shares: np.ndarray) -> np.ndarray:
        """Map points ``[N, 2]`` in shares of the sides to pixels of the picture."""
        return self.corner + shares[:, :1] * self.across + shares[:, 1:] * self.down


def ffhq_frame(left: np.ndarray, right: np.ndarray, mouth: np.ndarray) -> Frame:
    """Return FFHQ's frame for the eyes and the middle of the mouth, ``(x, y)`` each.

    Half a side is the larger of 2.0 eye distances and 1.8 distances from the eyes to the
    mouth. The frame is turned along the mean of the line between the eyes and the line from
    the eyes to the mouth, rotated by 90 degrees. Its centre lies at a tenth of the way from
    the eyes to the mouth.
    """
    eyes, apart = (left + right) / 2, right - left
    long = mouth - eyes
    half = apart + np.array([long[1], -long[0]])
    half *= max(2.0 * np.linalg.norm(apart), 1.8 * np.linalg.norm(long)) / np.linalg.norm(half)
    return _square(eyes + 0.1 * long, half)


def _mesh_frame(left: np.ndarray, right: np.ndarray) -> Frame:
    place, middle = oracles.MEDIAPIPE, (left + right) / 2
    half = (right - left) / place.distance / 2
    down = np.array([-half[1], half[0]])
    return _square(middle + 2 * (0.5 - place.y) * down - 2 * (place.x - 0.5) * half, half)


def _square(centre: np.ndarray, half: np.ndarray) -> Frame:
    down = np.array([-half[1], half[0]])
    return Frame(centre - half - down, 2 * half, 2 * down)


def cut(image: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Crop a frame to ``[size, size, 3]``; the picture is mirrored beyond its edges."""
    corners = frame.at(np.array([[0, 0], [0, 1], [1, 1], [1, 0]]))
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    tall, wide = image.shape[:2]
    rows = _mirrored(np.arange(low[1], high[1]), tall)
    columns = _mirrored(np.arange(low[0], high[0]), wide)
    part = Image.fromarray(image[rows][:, columns])
    corners = corners - low
    shrink = int(np.linalg.norm(frame.across) / (2 * size))
    if shrink > 1:
        part, corners = part.reduce(shrink), corners / shrink
    fine = part.transform(
        (2 * size, 2 * size),
        Image.Transform.QUAD,
        tuple(corners.ravel()),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(fine.resize((size, size), Image.Resampling.LANCZOS))


def _mirrored(at: np.ndarray, length: int) -> np.ndarray:
    """Map indices beyond an axis of ``length`` to those of its mirror image."""
    at = at % (2 * length)
    return np.where(at < length, at, 2 * length - 1 - at)


def _detector() -> Callable[[np.ndarray], list[Box]]:
    network = oracles.mediapipe("face_detection_full_range_sparse.tflite")
    (inputs,) = network.get_input_details()
    places, scores = sorted(
        network.get_output_details(), key=lambda details: -details["shape"][-1]
    )
    centres = (np.indices((CELLS, CELLS))[::-1].reshape(2, -1).T + 0.5) / CELLS

    def look(image: np.ndarray, margin: float) -> list[Box]:
        tall, wide = image.shape[:2]
        side = max(tall, wide) * (1 + margin)
        corner = np.array([wide - side, tall - side]) / 2
        frame = Frame(corner, np.array([side, 0]), np.array([0, side]))
        chip = _padded(image, frame, DETECTOR_SIZE)
        network.set_tensor(inputs["index"], chip[None].astype(np.float32) / 127.5 - 1)
        network.invoke()
        logits = network.get_tensor(scores["index"])[0, :, 0].astype(float)
        sure = 1 / (1 + np.exp(-logits.clip(-100, 100)))
        points = network.get_tensor(places["index"])[0].reshape(-1, 8, 2) / DETECTOR_SIZE
        points = points[:, [2, 3, 5]] + centres[:, None]  # eyes and mouth
        return [Box(float(sure[i]), *frame.at(points[i])) for i in np.flatnonzero(sure > SURE)]

    def detect(image: np.ndarray) -> list[Box]:
        boxes = sorted(look(image, 0.0) + look(image, 1.0), key=lambda box: -box.score)
        faces: list[Box] = []
        for box in boxes:
            apart = [np.linalg.norm(other.middle - box.middle) for other in faces]
            sizes = [max(other.size, box.size) for other in faces]
            if all(a > _APART * size for a, size in zip(apart, sizes, strict=True)):
                faces.append(box)
        return faces

    return detect


def _padded(image: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Shrink a picture and centre it on a black square."""
    tall, wide = image.shape[:2]
    scale = size / frame.across[0]
    shape = max(1, round(wide * scale)), max(1, round(tall * scale))
    small = Image.fromarray(image).resize(shape, Image.Resampling.BILINEAR, reducing_gap=3.0)
    square = Image.new("RGB", (size, size))
    left, top = np.rint(-frame.corner * scale).astype(int).tolist()
    square.paste(small, (left, top))
    return np.asarray(square)
