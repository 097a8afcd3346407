"""Pickles of TensorFlow networks, and what TensorFlow made of them.

The files in ``tests/data/tensorflow`` are those that the networks' own code pickled, with
random weights and without its source text: the trained G, a D, and Gs. ``reference.npz``
holds latents, labels, and the images (NCHW) that the code made of them in TensorFlow 2.21,
in float32, with the noise that is stored.
"""

import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert.flavours import dnnlib_tf
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats._objects import Inert
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.errors import InputError

FILES = Path(__file__).resolve().parents[1] / "data" / "tensorflow"
KINDS = {  # flavour, channels and labels of a file's network
    "stylegan": ("TensorFlow StyleGAN", 3, 3),  # fused_scale=True
    "stylegan2": ("TensorFlow StyleGAN2", 1, 3),
    "stylegan2_growing": ("TensorFlow StyleGAN2", 3, 0),  # configurations B to D
    "ada": ("TensorFlow StyleGAN2", 4, 3),  # architecture='resnet', conv_clamp=1.5
    "pggan": ("TensorFlow PGGAN", 3, 0),
}
CLOSE = 2e-5  # relative to the largest value; 3e-6 was seen
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def reference():
    with np.load(FILES / "reference.npz") as arrays:
        return dict(arrays)


def read(kind):
    """The three networks of a file."""
    return torchfile.read(FILES / f"{kind}.pkl")


def find(value, weights=None) -> Any:
    return dnnlib_tf.find(Checkpoint("some.pkl", value, {}, weights))


def changed(network, change=lambda name, array: array, **settings):
    """A network with other variables, or without those that ``change`` turns into None."""
    pairs = [(name, change(name, array)) for name, array in network.state["variables"]]
    state = network.state | {"variables": [pair for pair in pairs if pair[1] is not None]}
    state["static_kwargs"] = state["static_kwargs"] | settings
    if "components" in state:
        state["components"] = {
            name: changed(part, change, **settings)
            for name, part in state["components"].items()
        }
    return Inert(network.name, state)


def difference(actual, expected):
    return np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()


@every_kind
def test_images_are_those_of_tensorflow(kind, reference):
    model = convert.load(FILES / f"{kind}.pkl")
    flavour, channels, labels = KINDS[kind]
    assert (model.flavour, model.resolution, model.num_labels) == (flavour, 8, labels)
    z = reference[f"{kind}_z"]
    if labels:
        model = model.with_labels(reference[f"{kind}_labels"])

    synthesise = jax.jit(model.synthesise)  # one program: each operation is one otherwise

    def images(codes):
        x = np.asarray(synthesise(model.params, codes))
        assert x.shape == (3, 8, 8, channels)
        return x.transpose(0, 3, 1, 2)

    assert difference(images(model.codes(z)), reference[f"{kind}_image"]) < CLOSE
    if model.num_layers:
        expected = reference[f"{kind}_truncated"]
        assert difference(images(model.codes(z, 0.6, 3)), expected) < CLOSE


def test_the_case_of_a_real_layout(shared):
    path = shared("cases/tensorflow/tf_stylegan2.pkl")
    with np.load(shared("cases/tensorflow/tf_stylegan2.npz")) as arrays:
        z, image = arrays["z"], arrays["image"]
    model = convert.load(path)
    assert difference(model.images(model.codes(z)), image) < CLOSE


@every_kind
def test_the_averaged_generator_is_taken(kind):
    g, d, gs = read(kind)
    averaged, trained = find((g, d, gs)), find((g, d, gs), "G")
    assert averaged.origin == "generator Gs, averaged over training; the file also holds G"
    assert trained.origin == "generator G; the file also holds Gs"
    for model, network in ((averaged, gs), (trained, g)):
        alone = find(network)
        assert alone.origin == "the file's only generator"
        for style, same in zip(model.styles, alone.styles, strict=True):
            np.testing.assert_array_equal(style.weight, same.weight)
    assert np.abs(averaged.styles[0].weight - trained.styles[0].weight).max() > 0.1
    named = find({"G": g, "Gs": gs, "step": 3})
    np.testing.assert_array_equal(named.styles[0].weight, averaged.styles[0].weight)
    with pytest.raises(InputError, match="no single generator named 'D'; it holds G, Gs"):
        find((g, d, gs), "D")


@every_kind
def test_variables_may_all_be_in_the_whole_network(kind):
    network = read(kind)[2]
    whole = {
        start + name: array
        for start, part in [("", network)]
        + [(f"G_{n}/", part) for n, part in network.state.get("components", {}).items()]
        for name, array in part.state["variables"]
    }
    state = network.state | {"components": {}, "variables": list(whole.items())}
    model = find(Inert(network.name, state))
    for style, same in zip(model.styles, find(network).styles, strict=True):
        np.testing.assert_array_equal(style.weight, same.weight)


@every_kind
def test_directions_are_those_of_the_stored_matrices(kind):
    network = read(kind)[2]
    parts = [network, *network.state.get("components", {}).values()]
    stored = {name: array for part in parts for name, array in part.state["variables"]}
    model = find(network)
    if kind == "pggan":
        rows = stored["4x4/Dense/weight"].T
    else:
        # Those of the hidden layers, and of the last conversion to colours.
        names = [name for name in stored if re.search("StyleMod/weight|mod_weight", name)]
        last = [name for name in names if re.search("8x8/ToRGB|ToRGB_lod0", name)]
        names = [name for name in names if "ToRGB" not in name] + last
        rows = np.concatenate([stored[name].T for name in names])
        assert {style.name for style in model.styles} >= {f"G_synthesis/{n}" for n in names}
    rows = rows.astype(float) / np.linalg.norm(rows, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    found = sefa.directions(model, k=rows.shape[1])
    np.testing.assert_allclose(found.values, values[::-1], rtol=1e-6)
    cosines = np.abs((found.vectors * vectors.T[::-1]).sum(axis=1))
    assert cosines.min() > 1 - 1e-6


@pytest.mark.parametrize("kind", ["stylegan", "stylegan2", "pggan"])
def test_damage_of_a_variable_is_one_line_that_names_it(kind):
    network = read(kind)[2]
    parts = [("", network)]
    parts += [(f"G_{n}/", part) for n, part in network.state.get("components", {}).items()]
    other = re.compile("Label|lod$|dlatent_avg|4x4/Dense/weight")  # tested elsewhere
    for start, part in parts:
        for name, array in part.state["variables"]:
            full = start + name
            if other.search(full):
                continue
            for damaged in (None, np.asarray(array)[None], np.full_like(array, np.nan)):
                change = {name: damaged}
                with pytest.raises(InputError) as caught:
                    find(changed(network, lambda n, a, change=change: change.get(n, a)))
                line = str(caught.value)
                assert line.startswith("some.pkl looks like a TensorFlow ")
                assert re.search(rf"(its|lacks) {re.escape(full)}\b", line), (full, line)


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        (
            "stylegan",
            {"blur_filter": None},
            r"blur_filter is None; only [1, 2, 1] is supported",
        ),
        ("stylegan", {"blur_filter": [1, 3, 3, 1]}, "blur_filter is [1, 3, 3, 1]; only"),
        ("stylegan", {"use_instance_norm": False}, "use_instance_norm is False; only True is"),
        ("stylegan", {"fused_scale": 2}, "fused_scale is 2; only 'auto' or True or False is"),
        ("stylegan", {"normalize_latents": np.ones(3)}, "normalize_latents is ndarray; only"),
        (
            "stylegan2",
            {"nonlinearity": "relu"},
            "nonlinearity is 'relu'; only 'lrelu' is supported",
        ),
        ("stylegan2", {"mapping_lrmul": 1}, "mapping_lrmul is 1; only 0.01 is supported"),
        ("stylegan2", {"resample_kernel": [1, np.ones(4)]}, "resample_kernel is list; only"),
        ("ada", {"conv_clamp": -1}, "its conv_clamp is not one positive number"),
        ("ada", {"conv_clamp": [256]}, "its conv_clamp is not one positive number"),
        ("pggan", {"use_pixelnorm": False}, "use_pixelnorm is False; only True is supported"),
        ("pggan", {"label_size": 10}, "label_size is 10; only 0 is supported"),
        ("pggan", {"label_size": np.ones(3)}, "label_size is ndarray; only 0 is supported"),
    ],
)
def test_other_settings_are_refused(kind, settings, why):
    with pytest.raises(InputError, match=re.escape(why)):
        find(changed(read(kind)[2], **settings))


@pytest.mark.parametrize(
    "settings",
    [{"truncation_psi": 0.3}, {"randomize_noise": True}, {"resample_kernel": (1, 3, 3, 1)}],
)
def test_settings_of_training_and_drawing_have_no_effect(settings):
    network = read("stylegan2")[2]
    params, same = (find(n).params for n in (network, changed(network, **settings)))
    jax.tree.map(np.testing.assert_array_equal, params, same)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("stylegan", "ToRGB_lod99999999999/weight"),
        ("stylegan", "99999999999x8/Conv1/weight"),
        ("stylegan2", f"{2**40}x8/Conv1/weight"),
        ("stylegan2", "more/weight"),
        ("pggan", "ToRGB_lod99999999999/weight"),
        ("pggan", "more.4x4/Dense/weight"),
    ],
)
def test_other_variables_are_refused(kind, name):
    network = read(kind)[2]
    part = network.state.get("components", {}).get("synthesis", network)
    part.state["variables"].append((name, np.ones(1, np.float32)))
    with pytest.raises(InputError, match="some.pkl looks like a TensorFlow "):
        find(network)


@pytest.mark.parametrize("shape", [(64,), (3, 64), (0, 64), (4, 63), (4, 0), ()])
def test_the_first_layer_of_pggan_has_to_fit(shape):
    weight = np.ones(shape, np.float32)
    name = "4x4/Dense/weight"
    network = changed(read("pggan")[2], lambda n, a: weight if n == name else a)
    if shape == (3, 64):
        assert find(network).latent_dim == 3
        return
    with pytest.raises(InputError, match=rf"its {name} (has shape|is empty)"):
        find(network)


def test_a_network_that_grows_is_refused():
    for kind in ("stylegan", "stylegan2_growing", "pggan"):
        one = np.float32(1)
        network = changed(read(kind)[2], lambda n, a, one=one: one if n == "lod" else a)
        with pytest.raises(InputError, match="its lod is 1; networks that still grow"):
            find(network)


def test_other_values_are_left_to_others():
    g, d, _ = read("ada")
    other = Inert("Network", g.state)
    shapeless = Inert(g.name, {"variables": 3, "components": [g], "static_kwargs": None})
    for value in (None, 3, [], {"a": 1}, d, (d, d, d), other, shapeless, Inert(g.name, [g])):
        assert find(value) is None
