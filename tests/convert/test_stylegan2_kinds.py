"""StyleGAN2 of other lengths, channels and architectures; files that lack parts."""

import re

import chex
import jax
import numpy as np
import pytest

import jaxgan
from jaxgan import sefa
from jaxgan.convert.formats import torchfile
from jaxgan.errors import InputError
from jaxgan.networks.stylegan2 import Mapping, Synthesis
from tests.convert.test_stylegan2_flavours import (
    CHANNELS,
    CLOSE,
    DIM,
    FLAVOURS,
    LAYERS,
    as_genforce,
    as_nvlabs,
    dense,
    difference,
    every_flavour,
    find,
    make_network,
    module,
    painted,
    written,
)
from tests.quick import normal

LATENT, HIDDEN, EMBEDDED, LABELS = 5, 6, 4, 3  # lengths, none of them that of a code
SYNTHESIS = "G_ema.synthesis."
LABEL_ROWS = np.array([[0, 1, 0], [0.5, 0, 2]], np.float32)
Z, CODES = normal(2, LATENT, seed=1), normal(2, LAYERS, DIM, seed=2)


def normalised(x):
    return x / np.sqrt((x.astype(float) ** 2).mean(axis=1, keepdims=True) + 1e-8)


# Codes


def with_lengths(embedded=0, last=DIM):
    """A network whose mapping takes latents and embedded labels, of other lengths."""
    lengths = (LATENT + embedded, HIDDEN, HIDDEN, last)
    layers = zip(lengths, lengths[1:], strict=False)
    pairs = [(100 * normal(o, i, seed=i), 30 * normal(o, seed=o)) for i, o in layers]
    return make_network() | {"dense": pairs}


@every_flavour
def test_latents_may_have_another_length_than_codes(flavour):
    network = with_lengths()
    found = find(flavour, FLAVOURS[flavour][1](network))
    assert (found.z_dim, found.latent_dim, found.num_labels) == (LATENT, DIM, 0)
    codes = dense(network, normalised(Z))
    assert difference(found.codes(Z), np.repeat(codes[:, None], LAYERS, axis=1)) < CLOSE


MATRIX, SHIFT = normal(EMBEDDED, LABELS, seed=5), normal(EMBEDDED, seed=6)
PREFIX = "generator_smooth.mapping."
EMBEDDINGS = {
    "nvlabs": {"G_ema.mapping.embed.weight": MATRIX, "G_ema.mapping.embed.bias": SHIFT},
    "genforce": {f"{PREFIX}label_weight": MATRIX.T},
    "genforce ada": {f"{PREFIX}LabelEmbed.weight": MATRIX, f"{PREFIX}LabelEmbed.bias": SHIFT},
}


@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_labels_are_embedded_beside_latents(kind):
    flavour = kind.split()[0]
    network = with_lengths(EMBEDDED)
    found = find(flavour, FLAVOURS[flavour][1](network) | EMBEDDINGS[kind])
    assert (found.z_dim, found.latent_dim, found.num_labels) == (LATENT, DIM, LABELS)
    if kind == "genforce":  # one vector, which is normalised as a whole
        x = normalised(np.concatenate([Z, LABEL_ROWS @ MATRIX.T], axis=1))
    else:
        embedded = LABEL_ROWS @ MATRIX.T / np.sqrt(LABELS) + SHIFT
        x = np.concatenate([normalised(Z), normalised(embedded)], axis=1)
    codes = np.repeat(dense(network, x)[:, None], LAYERS, axis=1)
    assert difference(found.with_labels(LABEL_ROWS).codes(Z), codes) < CLOSE
    mapping = Mapping(3, DIM, HIDDEN, EMBEDDED)
    made = jax.eval_shape(mapping.init, jax.random.key(0), Z, LABEL_ROWS)["params"]
    chex.assert_trees_all_equal_shapes_and_dtypes(found.params["mapping"], made)


def test_a_code_for_each_layer():
    network = with_lengths(last=LAYERS * DIM)
    found = find("genforce", as_genforce(network))
    codes = dense(network, normalised(Z)).reshape(2, LAYERS, DIM)
    assert difference(found.codes(Z), codes) < CLOSE
    assert found.code_covariance.shape == (DIM, DIM)


def test_settings_of_genforce():
    """A tanh, and weights that hold their gains."""
    network = make_network()
    arrays = as_genforce(network)
    plain = find("genforce", arrays)
    scaled = {
        name: array / np.sqrt(array[0].size) if name.endswith("weight") else array
        for name, array in arrays.items()
    }
    found = find("genforce", scaled, use_wscale=False, final_tanh=True)
    chex.assert_trees_all_close(found.params, plain.params, rtol=1e-6)
    expected = np.tanh(painted(network, CODES[0]))[None]
    assert difference(found.images(CODES[:1]), expected) < CLOSE


# Images


def settings_of(clamp):
    """Objects of a pickle, with clamps in layers and none in connections beside them."""
    layers = {"conv0": module({"conv_clamp": clamp}), "skip": module({"conv_clamp": None})}
    return {"G_ema": module(synthesis=module(b8=module(**layers), b16=module(**layers)))}


@pytest.mark.parametrize(
    ("architecture", "colours", "clamp"), [("resnet", 4, 0.75), ("orig", 1, None)]
)
def test_images_of_other_architectures(architecture, colours, clamp):
    network = make_network(colours=colours, architecture=architecture)
    found = find("nvlabs", as_nvlabs(network), settings_of(clamp))
    codes = CODES[:1]
    expected = painted(network, codes[0], clamp or np.inf)[None]
    images = jax.jit(found.synthesise)(found.params, codes)
    assert images.shape == (1, 16, 16, colours)
    assert difference(images, expected) < CLOSE
    layers = [(style.layer, style.to_rgb) for style in found.styles]
    assert layers == [(i, False) for i in range(LAYERS - 1)] + [(LAYERS - 1, True)]
    made = Synthesis(CHANNELS, clamp, colours, architecture)
    made = jax.eval_shape(made.init, jax.random.key(0), codes)["params"]
    chex.assert_trees_all_equal_shapes_and_dtypes(found.params["synthesis"], made)


def noise_of(generator):
    synthesis = generator.params["synthesis"]
    return [np.asarray(synthesis[f"layer_{i}"]["noise"])[0, :, :, 0] for i in range(LAYERS - 1)]


def without(arrays, pattern):
    return {name: array for name, array in arrays.items() if not re.search(pattern, name)}


def test_a_network_without_noise():
    arrays = without(as_nvlabs(make_network()), "noise")
    found, same = find("nvlabs", arrays), find("nvlabs", as_nvlabs(make_network(noise=0.0)))
    jax.tree.map(np.testing.assert_array_equal, found.params, same.params)
    assert not any(noise.any() for noise in noise_of(found))
    assert "noise" not in found.origin


@pytest.mark.parametrize("flavour", ["rosinality", "basicsr"])
def test_a_file_without_noise_gets_that_of_a_fixed_seed(flavour):
    arrays, network = written(flavour), make_network()
    found, again = (find(flavour, without(arrays, "noises")) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, again.params, found.params)
    assert "its noise is drawn from a fixed seed, for the file holds none" in found.origin
    assert "seed" not in find(flavour, arrays).origin
    drawn = [
        noise / layer["strength"]
        for noise, layer in zip(noise_of(found), network["layers"], strict=True)
    ]
    assert 0.8 < np.std(np.concatenate([noise.ravel() for noise in drawn])) < 1.2
    assert not np.allclose(drawn[1], drawn[2])  # of the same size
    for i in range(LAYERS - 1):  # nothing else differs
        found.params["synthesis"][f"layer_{i}"].pop("noise")
    expected = find(flavour, arrays).params
    for i in range(LAYERS - 1):
        expected["synthesis"][f"layer_{i}"].pop("noise")
    jax.tree.map(np.testing.assert_array_equal, found.params, expected)


# Files that lack other parts, or hold them elsewhere


@pytest.mark.parametrize("flavour", ["genforce", "rosinality", "nvlabs"])
def test_a_file_without_blurs_has_the_usual_ones(flavour):
    arrays = written(flavour)
    few = without(arrays, r"kernel$|resample_filter$")
    assert len(few) < len(arrays)
    expected = find(flavour, arrays).params
    jax.tree.map(np.testing.assert_array_equal, find(flavour, few).params, expected)


@pytest.mark.parametrize("home", ["", "run.", "run.state_dict.", "run.state_dict.decoder."])
def test_the_mean_code_is_in_the_generator_or_around_it(home):
    arrays = written("rosinality")
    mean = arrays.pop("latent_avg")
    arrays = {f"run.state_dict.decoder.{name[6:]}": array for name, array in arrays.items()}
    arrays["run.state_dict.encoder.weight"] = np.zeros(3, np.float32)
    found = find("rosinality", arrays | {f"{home}latent_avg": mean})
    np.testing.assert_array_equal(found.average, mean)


def test_the_generator_inside_gfpgan():
    arrays = written("basicsr")
    inside = {
        name.replace("params_ema.", "params_ema.stylegan_decoder."): array
        for name, array in arrays.items()
    }
    inside["params_ema.conv_body_first.weight"] = np.zeros((2, 2), np.float32)
    found = find("basicsr", inside)
    assert found.fingerprint == find("basicsr", arrays).fingerprint
    assert "params_ema.stylegan_decoder" in found.origin
    inside["params_ema.stylegan_decoder.style_conv1.bias"] = np.zeros(8, np.float32)
    with pytest.raises(InputError, match="bilinear interpolation, which is not supported"):
        find("basicsr", inside)


# Directions, against rows that are found by their names in the file


def assert_directions(generator, arrays, k):
    """Compare with the eigenvectors of rows of length 1, in float64."""
    styles = rf"{SYNTHESIS}b(\d+\.conv\d|{generator.resolution}\.torgb)\.affine\.weight"
    rows = [array.astype(float) for name, array in arrays.items() if re.fullmatch(styles, name)]
    rows = np.concatenate(rows)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    found = sefa.directions(generator, k=k, like="genforce")
    cosines = np.abs((found.vectors * vectors.T[::-1][:k]).sum(axis=1))
    assert (cosines > 1 - 1e-6).all()


def test_directions_of_a_resnet():
    arrays = as_nvlabs(make_network(architecture="resnet"))
    assert_directions(find("nvlabs", arrays), arrays, DIM)


def test_directions_of_a_conditional_generator_need_no_label():
    arrays = as_nvlabs(with_lengths(EMBEDDED)) | EMBEDDINGS["nvlabs"]
    assert_directions(find("nvlabs", arrays), arrays, DIM)


# Files that the public implementations wrote, and images that they made


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("grey", "rgba", "resnet")]


@pytest.mark.parametrize("name", ["conditional", "z32_w64", *SLOW])
def test_images_of_nvlabs(name, shared):
    path = shared(f"cases/nvlabs/ada_{name}.pkl")
    with np.load(path.with_suffix(".npz")) as file:
        expected = dict(file)
    found = jaxgan.load(path)
    if found.num_labels:
        found = found.with_labels(expected["c"])
    assert difference(found.codes(expected["z"], 0.7), expected["ws"]) < CLOSE
    draw = jax.jit(found.synthesise)
    for truncation, key in ((0.7, "image_psi07"), (1.0, "image")):
        images = draw(found.params, found.codes(expected["z"], truncation))
        assert difference(images, expected[key].transpose(0, 2, 3, 1)) < CLOSE
    assert_directions(found, torchfile.tensors(path), 20)


def test_images_of_rosinality_without_noise(shared):
    reference = torchfile.read(shared("cases/rosinality/reference.pt"))
    found = jaxgan.load(shared("cases/rosinality/no_noises.pt"))
    assert "its noise is drawn from a fixed seed" in found.origin
    params = jax.tree_util.tree_map_with_path(
        lambda path, x: 0 * x if path[-1].key == "noise" else x, found.params
    )
    images = jax.jit(found.synthesise)(params, found.codes(reference["z"]))
    expected = reference["noiseless"].transpose(0, 2, 3, 1)
    assert difference(images, expected) < CLOSE
