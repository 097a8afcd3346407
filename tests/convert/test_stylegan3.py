import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert.flavours import stylegan3
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats._objects import Inert
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.options import Settings
from jaxgan.convert.transforms import placement
from jaxgan.errors import InputError
from tests.convert import stylegan3_files as plain
from tests.generators import line_of, linear
from tests.quick import normal

# Float32 through a dozen filters: some 2e-6 of the largest value is seen. A wrong gain,
# filter or order gives 1e-3 at the least.
CLOSE = 2e-5
USER = {"num_critical": plain.CRITICAL, "margin_size": 4}


def difference(actual, expected):
    assert actual.shape == expected.shape
    return np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()


def module(settings=None, **inside):
    return Inert("Module", {"_modules": inside, **(settings or {})})


def pickled(**settings):
    """The object that a pickle of NVlabs holds, with the constructor's settings."""
    synthesis = {"margin_size": 4, "_init_kwargs": {"num_critical": plain.CRITICAL}}
    layer = module({"conv_clamp": settings.pop("conv_clamp", 256)})
    return {"G_ema": module(synthesis=module({**synthesis, **settings}, L0=layer))}


def find(arrays, value=None, **user):
    if value is None:
        user = {**USER, **user}
    else:
        arrays = {f"G_ema.{name}": array for name, array in arrays.items()}
    return stylegan3.find(Checkpoint("file", value, arrays, settings=Settings(user)))


def error(arrays, value=None, **user):
    with pytest.raises(InputError) as caught:
        find(arrays, value, **user)
    line = line_of(caught)
    assert len(line) < 300
    return line


@pytest.mark.parametrize("radial", [False, True], ids=["T", "R"])
def test_images_are_those_of_the_plain_form(radial):
    arrays = plain.make_arrays(kernel=1 if radial else 3, radial=radial)
    found = find(arrays, pickled(conv_clamp=1))
    assert (found.flavour, found.resolution) == ("NVlabs StyleGAN3", plain.SIDE)
    assert (found.num_layers, found.latent_dim, found.z_dim) == (plain.CODES, plain.DIM, 5)
    z = normal(2, 5)
    codes = np.asarray(found.codes(z))
    for code, one in zip(codes, z, strict=True):
        wide = np.repeat(plain.mapped(arrays, one)[None], plain.CODES, axis=0)
        assert difference(code, wide) < CLOSE
    codes = normal(2, plain.CODES, plain.DIM, seed=1)
    transforms = np.stack([np.eye(3), placement(30, 0.1, -0.2)])
    images = found.images(codes, transforms)
    for image, code, transform in zip(images, codes, transforms, strict=True):
        expected = plain.painted(arrays, code, transform, clamp=1, radial=radial)
        assert difference(image, expected) < CLOSE
        assert abs(expected).max() == 1 / 4  # colours are clamped too


def test_labels_are_embedded_beside_latents():
    arrays = plain.make_arrays(labels=3)
    found = find(arrays)
    assert found.num_labels == 3
    codes = found.with_labels(2).codes(normal(1, 5))
    label = np.array([0.0, 0, 1])
    assert difference(codes[0, 0], plain.mapped(arrays, normal(1, 5)[0], label)) < CLOSE


def test_truncation_is_towards_the_mean_of_the_file():
    arrays = plain.make_arrays()
    codes = normal(1, plain.CODES, plain.DIM)
    moved = find(arrays).truncate(codes, 0.0)
    np.testing.assert_allclose(moved[0, 3], arrays["mapping.w_avg"], atol=1e-6)


def test_styles_leave_out_the_place_of_the_waves():
    arrays = plain.make_arrays()
    styles = find(arrays).styles
    names = plain.layer_names()
    assert [s.name for s in styles] == [f"{name}.affine.weight" for name in names]
    assert [s.layer for s in styles] == list(range(1, plain.CODES))
    assert [s.to_rgb for s in styles] == [False] * plain.LAYERS + [True]


def plain_directions(weights):
    """Directions ``[D, D]`` of matrices whose rows have unit length, in float64."""
    rows = np.concatenate([np.float64(weight) for weight in weights])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.linalg.svd(rows, full_matrices=False)[2]


def same_directions(found, weights, count):
    vectors = sefa.directions(found, k=count, like="genforce").vectors
    cosines = (np.float64(vectors) * plain_directions(weights)[:count]).sum(axis=1)
    return (np.abs(cosines) > 1 - 1e-6).all()


def test_directions_are_those_of_the_matrices():
    arrays = plain.make_arrays()
    weights = [arrays[f"{name}.affine.weight"] for name in plain.layer_names()]
    assert same_directions(find(arrays), weights, 4)
    assert not same_directions(find(arrays), weights[:-1], 4)


# What a file may lack, or hold beside that.


@pytest.fixture
def network_of(monkeypatch):
    """Opens a file and returns the arguments of its synthesis network, filters as bytes."""

    def network_of(*args, **user):
        held = []

        class Held:
            def __init__(self, **given):
                held.append(given)

        monkeypatch.setattr(stylegan3.stylegan3, "Synthesis", Held)
        find(*args, **user)
        (given,) = held
        ways = [
            [getattr(x, "tolist", lambda x=x: x)() for x in w] for w in given["resamplings"]
        ]
        return given | {"resamplings": ways}

    return network_of


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_bare_state_dict_may_lack_filters(network_of, kernel):
    radial = kernel == 1
    arrays = plain.make_arrays(kernel=kernel, radial=radial)
    bare = plain.make_arrays(kernel=kernel, filters=False)
    assert network_of(arrays) == network_of(bare)
    assert network_of(arrays) != network_of(bare, use_radial_filters=not radial)
    network_of(plain.make_arrays(kernel=kernel, radial=not radial))


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (
            {"margin_size": 10},
            "have sizes [24, 24, 40, 32, 32]; its settings give [36, 36",
        ),
        ({"num_critical": 4}, "its num_critical is 4, of 4 layers"),
        ({"first_cutoff": 3.0}, "L0_24_3.up_filter is not the filter that its settings give"),
        ({"filter_size": 4}, "up_filter has shape [12], not [8]"),
        ({"first_cutoff": 900.0}, "its settings leave no room for filters"),
        ({"first_stopband": float("nan")}, "its first_stopband is not one number from 1"),
        ({"lrelu_upsampling": 10**9}, "lrelu_upsampling is not one whole number from 1 to 2"),
        ({"margin_size": "much"}, "margin_size=much must be of the type of 10"),
    ],
)
def test_settings_that_are_not_those_of_the_file(user, words):
    assert words in error(plain.make_arrays(), **user)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"margin_size": 4.5}, "its margin_size is not one whole number from 0 to 1000"),
        ({"num_critical": 2}, "its num_critical is not one whole number"),  # two differ
        ({"output_scale": np.ones(3)}, "its output_scale is not one number"),
        ({"conv_clamp": -1}, "its conv_clamp is not one number"),
        ({"first_cutoff": None}, "its first_cutoff is not one number"),
    ],
)
def test_settings_of_a_pickle_that_make_no_sense(settings, words):
    assert words in error(plain.make_arrays(), pickled(**settings))


def test_other_rates_of_learning_are_refused():
    value = pickled()
    value["G_ema"].state["_modules"]["mapping"] = module({"lr_multiplier": 0.1})
    assert "an lr_multiplier other than 0.01" in error(plain.make_arrays(), value)


def test_clamp_and_scale(network_of):
    arrays = plain.make_arrays()
    assert (network_of(arrays)["clamp"], network_of(arrays)["scale"]) == (256, 0.25)
    assert network_of(arrays, pickled(conv_clamp=None))["clamp"] is None
    assert network_of(arrays, pickled(output_scale=1))["scale"] == 1
    assert network_of(arrays, conv_clamp=7, output_scale=0.5)["clamp"] == 7


def test_grey_and_transparent_images():
    for colours in (1, 4):
        found = find(plain.make_arrays(colours=colours))
        assert found.params["synthesis"]["to_rgb"]["bias"].size == colours
    assert "have 2 channels; only 1, 3 or 4 are supported" in error(
        plain.make_arrays(colours=2)
    )


@pytest.mark.parametrize("damage", ["missing", "axes", "shape", "whole", "nan"])
def test_damage_of_any_array_is_one_line_that_names_it(damage):
    arrays = plain.make_arrays(labels=2)
    may_lack = {"missing": ("filter", "transform", "w_avg"), "axes": "w_avg"}
    for name, array in arrays.items():
        changed = {
            "missing": None,
            "axes": array[None],
            "shape": np.concatenate([array, array]) if array.ndim else np.ones(2, np.float32),
            "whole": array.astype(int),
            "nan": array * np.float32(np.nan),
        }[damage]
        if name.endswith(may_lack.get(damage, ())):
            continue
        others = {key: value for key, value in arrays.items() if key != name}
        line = error(others if changed is None else {**others, name: changed})
        prefix = name.rpartition(".")[0]
        assert prefix in line or "_3.weight" in name or "it has layers" in line


def test_other_things_beside_it_are_refused():
    arrays = plain.make_arrays() | {"synthesis.b4.const": np.ones(3, np.float32)}
    assert "it has synthesis.b4.const, which that network lacks" in error(arrays)


def test_layers_that_are_not_there():
    names = plain.layer_names()
    arrays = plain.make_arrays()
    gap = {name: a for name, a in arrays.items() if not name.startswith(names[1])}
    assert "it has layers [0, 2, 3, 4], not 0 to 14" in error(gap)
    last = names[-1]
    odd = {name.replace(last, "synthesis.L4_33_3"): array for name, array in arrays.items()}
    assert "its 33 pixels are not a power of 2 from 16 to 4096" in error(odd)


def test_files_of_others_are_passed_over():
    arrays = {"synthesis.b4.const": np.ones((8, 4, 4), np.float32)}
    assert find(arrays) is None


# Turning and shifting what a generator draws.


def test_a_transform_is_one_for_all_or_one_each():
    found = find(plain.make_arrays())
    codes = normal(2, plain.CODES, plain.DIM)
    turned = np.asarray(found.images(codes, placement(20)))
    each = found.images(codes, np.stack([placement(), placement(20)]))
    np.testing.assert_array_equal(each[1], turned[1])
    np.testing.assert_array_equal(each[0], found.images(codes)[0])
    assert abs(turned[0] - each[0]).max() > 0.01 * abs(turned).max()


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (np.eye(2), "the transforms have shape [2, 2]; NVlabs StyleGAN3 has [3, 3]"),
        (np.ones((3, 3, 3)), "the transforms have shape [3, 3, 3]; NVlabs StyleGAN3 has [2, 3"),
        (np.full((3, 3), np.inf), "the transforms are not all finite"),
    ],
)
def test_transforms_of_another_form(transform, words):
    with pytest.raises(InputError) as caught:
        find(plain.make_arrays()).images(normal(2, plain.CODES, plain.DIM), transform)
    assert words in line_of(caught)


def test_other_generators_have_no_transform():
    with pytest.raises(InputError) as caught:
        linear().images(normal(1, *linear().code_shape[1:]), placement())
    assert line_of(caught) == "linear cannot turn or shift its images"


# Against NVlabs' own implementation.


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["t", "r"])
def test_images_are_those_of_nvlabs(shared, kind):
    found = convert.load(shared(f"cases/nvlabs/stylegan3_{kind}.pkl"))
    assert found.origin.startswith("generator G_ema, averaged over training")
    expected = np.load(shared(f"cases/nvlabs/stylegan3_{kind}.npz"))
    codes = found.codes(expected["z"], 0.7)
    assert difference(codes, expected["ws"]) < CLOSE
    for truncated, name in ((codes, "image_psi07"), (found.codes(expected["z"]), "image")):
        images = np.asarray(found.images(truncated)).transpose(0, 3, 1, 2)
        assert difference(images, expected[name]) < CLOSE


@pytest.mark.parametrize("kind", ["t", "r"])
def test_directions_are_those_of_nvlabs_weights(shared, kind):
    path = shared(f"cases/nvlabs/stylegan3_{kind}.pkl")
    arrays = torchfile.tensors(path)
    weights = [
        array
        for name, array in arrays.items()
        if ".synthesis.L" in name and name.endswith("affine.weight")
    ]
    assert len(weights) == 15
    assert same_directions(convert.load(path), weights, 20)
