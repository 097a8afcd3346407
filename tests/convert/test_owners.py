"""Which of several generators in a file is taken."""

import jax
import numpy as np
import pytest

import jaxgan
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.errors import InputError

MARKS = ("input.const", "layer.weight")
PAIRS = [  # raw and averaged, as training programs save them
    ("g", "g_ema"),
    ("state_dict.g", "state_dict.g_ema"),
    ("checkpoint.g", "checkpoint.g_ema"),
    ("g.module", "g_ema.module"),
    ("g._orig_mod", "g_ema._orig_mod"),
    ("g.module._orig_mod", "g_ema._orig_mod.module"),
    ("models.generator.module", "models.generator_smooth.module"),
    ("generator", "generator_ema"),
    ("G", "G_ema"),
    ("netG", "netG_ema"),
    ("netG", "avgG"),
    ("generator", "shadow_generator"),
    ("params", "params_ema"),
    ("model", "ema"),
    ("state_dict", "state_dict_ema"),
    ("online_model", "ema_model"),
    ("GAN.G", "GAN.GE"),
    ("g", "g_running"),
    ("G", "Gs"),
    ("generator", "generator_test"),
    ("generator", "EMA.generator"),
    ("", "ema"),
]


def file_of(*names, weights=None, extra=()):
    arrays = {
        f"{name}.{mark}" if name else mark: np.full(2, number, np.float32)
        for number, name in enumerate(names)
        for mark in MARKS
    }
    arrays |= dict.fromkeys(extra, np.zeros(1, np.float32))
    return Checkpoint("a.pt", arrays, arrays, weights)


def chosen(checkpoint):
    state = checkpoint.choose(MARKS, "kind of network")
    return int(state.take("layer.weight", (2,))[0]), state.origin


@pytest.mark.parametrize(("raw", "averaged"), PAIRS)
def test_the_averaged_generator_is_taken_wherever_it_lies(raw, averaged):
    plain = averaged.replace(".module", "").replace("._orig_mod", "")
    for names in ((raw, averaged), (averaged, raw)):
        number, origin = chosen(file_of(*names))
        assert names[number] == averaged
        assert origin.startswith(f"generator {plain}, averaged over training; the file also")


@pytest.mark.parametrize(("raw", "averaged"), PAIRS)
def test_weights_takes_the_other(raw, averaged):
    plain = raw.replace(".module", "").replace("._orig_mod", "") or "."
    number, origin = chosen(file_of(averaged, raw, weights=plain))
    assert number == 1
    assert "averaged" not in origin.split(";")[0]


def test_weights_takes_the_end_of_a_name():
    assert chosen(file_of("state_dict.g_ema", "state_dict.g", weights="g"))[0] == 1


def test_an_averaged_model_of_torch_is_told_by_its_count():
    names = ("model", "swa_weights.module")
    assert chosen(file_of(*names, extra=["swa_weights.n_averaged"]))[0] == 1
    assert chosen(file_of("model", "other.module", extra=["other.n_averaged"]))[0] == 1


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (("first", "second"), None),
        (("ema_slow", "ema_fast", "g"), None),
        (("g", "g_ema"), "h"),
        (("a.g", "b.g"), "g"),
    ],
)
def test_several_that_differ_are_listed(names, weights):
    with pytest.raises(InputError) as error:
        chosen(file_of(*names, weights=weights))
    line = str(error.value)
    assert line.startswith("a.pt ")
    assert ", ".join(names) in line
    assert (weights and f"named '{weights}'" or "weights=NAME") in line
    assert "\n" not in line


def test_the_generator_in_training_is_left():
    nested = ("model", "ema.online_model", "ema.ema_model")  # ema-pytorch in a trainer
    assert chosen(file_of(*nested))[0] == 2
    lightning = ("state_dict.netG", "current_model_state.netG")
    assert chosen(file_of(*lightning)) == (
        0,
        "generator state_dict.netG; the file also holds current_model_state.netG",
    )


@pytest.mark.parametrize(
    ("names", "holder"),
    [
        (["ema.shadow_params.0", "ema.shadow_params.1"], "ema"),
        (["optimizer_states.0.ema.0"], "optimizer_states.0.ema"),
        (["model_ema.layerweight"], "model_ema"),
    ],
)
def test_averaged_weights_without_names_are_not_passed_over_in_silence(names, holder):
    checkpoint = file_of("g")
    checkpoint.arrays.update(dict.fromkeys(names, np.zeros((2, 2), np.float32)))
    words = f"generator g; it also holds averaged weights, {holder}, which are ignored"
    assert chosen(checkpoint) == (0, words)


def test_buffers_that_were_not_averaged_are_those_of_the_other():
    buffers = {"g.norm.running_mean": np.full(3, 7.0, np.float32)}
    checkpoint = file_of("g", "ema.shadow")
    checkpoint.arrays.update(buffers)
    state = checkpoint.choose(MARKS, "kind of network")
    assert state.take("layer.weight", (2,))[0] == 1
    assert state.take("norm.running_mean", (3,))[0] == 7
    assert state.origin.endswith("; its buffers are those of g")


@pytest.mark.parametrize("name", ["g.other.weight", "g.input.bias"])
def test_parameters_are_never_those_of_the_other(name):
    checkpoint = file_of("g", "g_ema")
    checkpoint.arrays.update({name: np.zeros(3, np.float32)})
    assert name.removeprefix("g.") not in checkpoint.choose(MARKS, "kind of network")


def test_several_that_are_the_same_are_one():
    checkpoint = file_of("first", "second")
    for mark in MARKS:
        checkpoint.arrays[f"second.{mark}"] = checkpoint.arrays[f"first.{mark}"]
    assert chosen(checkpoint)[0] == 0


def test_the_state_of_an_optimizer_is_no_generator():
    assert chosen(file_of("g_optim.state", "generator")) == (1, "generator generator")


def test_one_generator_is_taken_whatever_its_name():
    assert chosen(file_of("")) == (0, "the file's only generator")
    assert file_of("", weights="g").choose(("other",), "kind") is None
    with pytest.raises(InputError, match=r"no single generator named 'g'; it holds \. "):
        chosen(file_of("", weights="g"))


LAYOUTS = (
    *("ddp_g_g_ema", "generator_generator_ema", "lightning_g_g_ema", "model_ema"),
    *("nested_g_g_ema", "netG_netG_ema"),
)
BESIDE = ("datetime", "defaultdict", "function", "partial", "posixpath")
FILES = [*(f"averaged/two_{name}" for name in LAYOUTS), *(f"beside/beside_{x}" for x in BESIDE)]


def test_images_are_those_of_the_averaged_generator(shared):
    reference = torchfile.read(shared("cases/rosinality/reference.pt"))
    expected = reference["images"].transpose(0, 2, 3, 1)
    first = jaxgan.load(shared(f"cases/{FILES[0]}.pt"))
    images = np.asarray(first.images(first.codes(reference["z"])))
    assert np.abs(images - expected).max() <= 2e-5 * np.abs(expected).max()
    for file in FILES:  # the same weights make the same images
        generator = jaxgan.load(shared(f"cases/{file}.pt"))
        assert ("; the file also holds" in generator.origin) == file.startswith("averaged")
        jax.tree.map(np.testing.assert_array_equal, generator.params, first.params)
