"""The layout of a Hugging Face repository: written, read back, damaged."""

import json

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert import blueprint, exported
from jaxgan.convert.blueprint import Blueprint
from jaxgan.errors import InputError
from tests.exported_generators import KINDS, cloud, images_of

save_file = pytest.importorskip("safetensors.numpy", reason="needs the export extra").save_file
QUICK = {"dense", "labelled dcgan", "labelled stylegan2"}
ALL = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]


def write(folder, generator, change=lambda about, arrays: None):
    about, arrays = exported.describe(generator)
    change(about, arrays)
    folder.mkdir(exist_ok=True)
    save_file(arrays, folder / exported.WEIGHTS)
    (folder / exported.CONFIG).write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_blueprint_survives_json(kind):
    plan = KINDS[kind]().blueprint
    if not isinstance(plan, Blueprint):
        assert plan["model"] in ("report_dense", "dcgan", "sngan")
        return
    text = json.dumps(blueprint.to_json(plan), allow_nan=False)
    again = blueprint.from_json(json.loads(text))
    assert json.dumps(blueprint.to_json(again)) == text
    assert type(again.synthesis) is type(plan.synthesis)


@pytest.mark.parametrize("kind", ALL)
def test_a_generator_is_read_back_with_the_same_bits(kind, tmp_path):
    generator = KINDS[kind]()
    folder = write(tmp_path / "out", generator)
    again = convert.load(folder)
    expected = images_of(generator)
    assert np.ptp(expected) > 0.01
    np.testing.assert_array_equal(images_of(again), expected)
    assert again.fingerprint == generator.fingerprint
    assert again.styles[0].name == generator.styles[0].name
    weights = convert.load(folder / exported.WEIGHTS)
    assert (weights.flavour, weights.z_dim) == (generator.flavour, generator.z_dim)


def test_points_are_read_back_with_the_same_bits(tmp_path):
    folder = write(tmp_path / "out", cloud())
    z = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_array_equal(convert.points(folder).points(z), cloud().points(z))
    with pytest.raises(InputError, match="holds a generator of points"):
        convert.load(folder)


def _set(*path, value):
    def change(about, arrays):
        for name in path[:-1]:
            about = about[name]
        about[path[-1]] = value

    return change


def _array(name, value):
    return lambda about, arrays: arrays.update({name: np.asarray(value)})


KERNEL = "mapping.dense_0.kernel"
DAMAGES = {
    "no array": (lambda a, arrays: arrays.pop(KERNEL), f"it lacks {KERNEL}"),
    "shape": (
        _array(KERNEL, np.ones((8, 7), np.float32)),
        r"has shape \[8, 7\], not \[16, 8\]",
    ),
    "dtype": (_array(KERNEL, np.ones((16, 8), np.int32)), "is int32, not floating point"),
    "nan": (_array(KERNEL, np.full((16, 8), np.nan, np.float32)), "is not finite"),
    "more": (_array("odd", np.ones(2, np.float32)), "it has odd, which that network lacks"),
    "format": (
        _set("format", value=2),
        "has a format that this version of jaxgan does not read",
    ),
    "size": (_set("resolution", value=16), "its network cannot be built"),
    "huge": (_set("latent_dim", value=10**9), "its latent_dim is not a whole number"),
    "true": (_set("num_layers", value=True), "its num_layers is not a whole number"),
    "name": (_set("flavour", value=["x"]), "its flavour is not a name"),
    "style": (_set("styles", 0, "layer", value=99), "the styles in its config.json"),
    "network": (_set("network", value=3), "its network must have the entries"),
    "kind": (_set("network", "mapping", "network", value="os"), "must be one of pggan"),
    "deep": (_set("network", "mapping", "depth", value=10**4), "its network.mapping.depth"),
    "entry": (_set("network", "tanh", value=1), "its network.tanh is not what"),
    "list": (_set("network", "synthesis", "channels", value=[2.5]), "channels.0 is not what"),
    "many": (
        _set("network", "synthesis", "channels", value=[1] * 999),
        "must be a list of at most",
    ),
    "wide": (_set("network", "synthesis", "channels", value=[65536] * 9), "cannot be built"),
    "blocks": (_set("network", "synthesis", "channels", value=[]), "cannot be built"),
    "inf": (_set("network", "mapping", "gain", value="inf"), None),  # a number
    "nothing": (_set("network", "mapping", value=None), "cannot be built"),
    "digits": (_set("network", "mapping", "gain", value=10**400), "mapping.gain is not what"),
}


def test_a_filter_of_any_number_is_one_line():
    with pytest.raises(InputError, match="its x is not a filter"):
        blueprint._taps([10**400], "x")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line(damage, tmp_path):
    change, line = DAMAGES[damage]
    folder = write(tmp_path / "out", KINDS["labelled stylegan2"](), change)
    if line is None:
        assert convert.load(folder).blueprint.mapping.gain == np.inf
        return
    with pytest.raises(InputError, match=line) as caught:
        convert.load(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"library_name": "diffusers"}', "[" * 10**5])
def test_a_configuration_of_another_tool_is_not_read(text, tmp_path):
    folder = write(tmp_path / "out", KINDS["dense"]())
    (folder / exported.CONFIG).write_text(text)
    with pytest.raises(InputError, match="supported generators"):
        convert.load(folder)


def test_own_settings_are_checked(tmp_path):
    change = _set("own", "model", value="biggan")
    folder = write(tmp_path / "out", KINDS["dense"](), change)
    with pytest.raises(InputError, match="is not a generator that jaxgan wrote"):
        convert.load(folder)
    with pytest.raises(InputError, match="holds one generator"):
        convert.load(folder, weights="ema")
