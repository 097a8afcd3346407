import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgan
from jaxgan.errors import InputError
from jaxgan.networks import mlp
from jaxgan.runs import Diverged

ROOT = Path(__file__).parents[2]
OPTIONS = {"batch_size": 32, "critic_steps": 2, "seeds": 2, "every": 2}


def gan(**options):
    objective = jaxgan.objective("wgan_gp", penalty_weight=0.1)
    networks = mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,))
    rate = options.pop("rate", 1e-3)
    return jaxgan.gan(*networks, objective, jaxgan.pair("adam", rate), latent_dim=3, ema=0.9)


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).normal(size=(200, 2))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A training that was not interrupted, and its directory."""
    folder = tmp_path_factory.mktemp("fit") / "whole"
    return jaxgan.fit(gan(), data, epochs=4, directory=folder, **OPTIONS), folder


def same(x, y):
    leaves = [jax.tree.leaves(z) for z in (x, y)]
    for one, other in zip(*leaves, strict=True):
        if jax.numpy.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        np.testing.assert_array_equal(one, other)


def test_metrics_and_states_of_every_seed(whole):
    result, folder = whole
    assert {x.shape for x in result.metrics.values()} == {(2, 4)}
    assert set(result.metrics) == {"critic_loss", "generator_loss", "penalty", "spread"}
    assert all(np.isfinite(x).all() for x in result.metrics.values())
    assert np.asarray(result.states.step).tolist() == [12, 12]  # 3 updates an epoch
    first, second = (np.asarray(x) for x in result.states.generator.params["Dense_0"]["kernel"])
    assert (first != second).any()
    assert {path.name for path in folder.iterdir()} >= {"metrics.jsonl", "generator.npz"}


def test_draws_of_all_seeds_are_those_of_each(whole, key):
    g, states = gan(), whole[0].states
    drawn = jaxgan.draw(g, states, key, 5)
    assert drawn.shape == (2, 5, 2)
    for seed, own_key in enumerate(jax.random.split(key, 2)):
        state = jax.tree.map(lambda x, seed=seed: x[seed], states)
        alone = jaxgan.draw(g, state, own_key, 5)
        # another program
        np.testing.assert_allclose(drawn[seed], alone, rtol=1e-5, atol=1e-6)
    averages = jaxgan.draw(g, jaxgan.averaged(states), key, 5)
    assert np.abs(averages - drawn).min() > 0


def test_a_directory_changes_nothing(whole, data):
    result = jaxgan.fit(gan(), data, epochs=4, **OPTIONS)
    same(result.states, whole[0].states)
    same(result.metrics, whole[0].metrics)


@pytest.mark.slow
def test_a_seed_alone_is_the_same_seed(whole, data):
    alone = jaxgan.fit(gan(), data, epochs=4, **OPTIONS | {"seeds": 1, "seed": 1})
    for name, values in whole[0].metrics.items():
        # another program: Adam makes rounding into parts of a step
        np.testing.assert_allclose(alone.metrics[name][0], values[1], rtol=1e-4, atol=1e-5)


def test_more_epochs_go_on_with_the_same_bits(whole, data, tmp_path, capsys):
    seen = []

    def note(epoch, states, metrics):
        seen.append((epoch, metrics["spread"].shape, int(states.step[0])))

    jaxgan.fit(gan(), data, epochs=2, directory=tmp_path, on_interval=note, **OPTIONS)
    result = jaxgan.fit(gan(), data, epochs=4, directory=tmp_path, on_interval=note, **OPTIONS)
    assert seen == [(2, (2, 2), 6), (4, (2, 2), 12)]
    same(result.states, whole[0].states)
    same(result.metrics, whole[0].metrics)
    assert "nothing is trained" not in capsys.readouterr().err
    again = jaxgan.fit(gan(), data, epochs=4, directory=tmp_path, **OPTIONS)
    same(again.metrics, result.metrics)
    line = f"{tmp_path}: has all 4 epochs, so nothing is trained\n"
    assert capsys.readouterr().err.endswith(line)
    with pytest.raises(InputError, match="epochs=3, but .* holds 4 epochs"):
        jaxgan.fit(gan(), data, epochs=3, directory=tmp_path, **OPTIONS)


def test_another_run_in_the_directory_is_refused(whole, data):
    _, folder = whole
    with pytest.raises(InputError, match="was made with batch_size=32, not 16"):
        jaxgan.fit(gan(), data, epochs=4, directory=folder, **OPTIONS | {"batch_size": 16})
    with pytest.raises(
        InputError,
        match="was made with rate=None, not 2; give another directory, or fresh=True starts",
    ):
        jaxgan.fit(gan(), data, epochs=4, directory=folder, settings={"rate": 2}, **OPTIONS)
    measure = {"measure": lambda gan, state: {"steps": state.step}}
    with pytest.raises(InputError, match="was made with metrics=, not steps"):
        jaxgan.fit(gan(), data, epochs=4, directory=folder, **OPTIONS, **measure)
    with pytest.raises(InputError, match="the content of data has changed since"):
        jaxgan.fit(gan(), data + 1, epochs=4, directory=folder, **OPTIONS)
    wider = gan()._replace(init=lambda key, x: gan().init(key, x).replace(step=x[0]))
    with pytest.raises(InputError, match="was made with networks="):
        jaxgan.fit(wider, data, epochs=4, directory=folder, **OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 200}, "takes 2 batches of 200, and there are 200 examples"),
        ({"seeds": 0}, "seeds=0 must be at least 1"),
        ({"every": 0}, "every=0 must be at least 1"),
        ({"seeds": 2.5}, "seeds=2.5 must be a whole number"),
        ({"seed": 2**31 - 1}, "seed=2147483647 must be from 0 to 2147483646"),
        ({"measure": lambda gan, state: None}, "must return {name: number}"),
        ({"measure": lambda gan, state: {"x": jnp.ones(3)}}, "each an array of shape"),
        ({"measure": lambda gan, state: {"x": state.key[None]}}, "each an array of shape"),
        ({"measure": lambda gan, state: {"step": state.step}}, "must not return 'step'"),
    ],
)
def test_bad_arguments_are_one_line(data, change, message):
    with pytest.raises(InputError, match=message):
        jaxgan.fit(gan(), data, epochs=1, **OPTIONS | change)


class Shaped(nn.Module):
    """A generator or a critic whose output has a trailing axis of some length."""

    length: int

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(self.length)(x)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (
            (Shaped(3), mlp.Critic((8,))),
            r"makes examples of shape \[3\], and the data .* \[2\]",
        ),
        ((Shaped(2), Shaped(1)), r"scores have shape \[32, 1\]; \[32\] is needed"),
    ],
)
def test_networks_of_other_shapes_are_refused(data, networks, message):
    """Broadcasting would train them silently."""
    optimizers = jaxgan.pair("adam", 1e-3)
    wrong = jaxgan.gan(*networks, jaxgan.objective("gan"), optimizers, latent_dim=3)
    with pytest.raises(InputError, match=message):
        jaxgan.fit(wrong, data, epochs=1, batch_size=32)


def test_numbers_of_64_bits_are_refused_before_anything_is_written(data, tmp_path):
    with jax.enable_x64(True), pytest.raises(InputError, match="fit trains in float32"):
        jaxgan.fit(gan(), data, epochs=1, directory=tmp_path / "run", **OPTIONS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros(7), r"shape \[7\] must be \[N, ...\]"),
        (np.zeros((0, 2)), "not empty"),
        (np.full((9, 2), np.nan), "finite"),
        (np.full((9, 2), 1e300), "finite, in float32 too"),
        (np.array([["a", "b"]]), "are not numeric"),
        ([[1.0, 2.0], [3.0]], "rows differ in length"),
        (np.ones((9, 2), complex), "are not numeric"),
        (np.full((9, 2), 7, np.uint8), "all examples of the data are equal"),
        (np.ma.masked_equal([[1, 2], [3, 4]], 4), "masked values"),
    ],
)
def test_bad_data_are_one_line(data, message):
    with pytest.raises(InputError, match=message):
        jaxgan.fit(gan(), data, epochs=1, batch_size=1)


@pytest.mark.slow
def test_divergence_is_said(data, tmp_path):
    with pytest.raises(Diverged, match="every lane has diverged by epoch 1"):
        jaxgan.fit(gan(rate=np.inf), data, epochs=4, directory=tmp_path, **OPTIONS)
    assert not (tmp_path / "generator.npz").exists()


PROGRAM = """\
import flax.linen as nn, jaxgan as jg, numpy as np

class Generator(nn.Module):
    @nn.compact
    def __call__(self, z, train=False):
        return nn.tanh(nn.Dense(64)(nn.relu(nn.Dense(32)(z)))).reshape(-1, 8, 8, 1)
class Critic(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(1)(nn.relu(nn.Dense(32)(x.reshape(len(x), -1))))[:, 0]

jg.setup()
images = np.random.default_rng(0).integers(0, 256, (512, 8, 8, 1), np.uint8)
g = jg.gan(Generator(), Critic(), jg.objective("wgan_gp"), jg.pair("adam", 1e-3), latent_dim=4)
jg.fit(g, images, epochs=80, batch_size=32, seeds=2, directory="run", every=5)
fake = jg.load("run", network=Generator()).images(np.random.default_rng(1).normal(size=(99, 4)))
print(jg.metrics.kid(images, fake, features=lambda x: x.mean(axis=(1, 2))[:, :1] / 255))
"""


def program(folder):
    """Start the program in an empty folder, without the checkout on its path."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """What the program prints, and its directory."""
    folder = tmp_path_factory.mktemp("program") / "whole"
    out, err = program(folder).communicate(timeout=300)
    assert "KernelDistance" in out, err
    return out, folder / "run"


@pytest.mark.slow
def test_a_program_that_is_stopped_goes_on_with_the_same_bits(tmp_path, complete):
    stops = ((10, signal.SIGKILL, -9), (25, signal.SIGTERM, 143), (40, signal.SIGINT, -2))
    for number, (epoch, signum, code) in enumerate(stops):
        process, goes_on = program(tmp_path), False
        for line in process.stderr:
            goes_on |= "goes on after epoch" in line
            if line.startswith("epoch ") and int(line.split()[1].split("/")[0]) >= epoch:
                break
        time.sleep(0.05)
        process.send_signal(signum)
        _, rest = process.communicate()
        assert ("fit stops after this interval" in rest) == (signum != signal.SIGKILL)
        assert process.returncode == code
        assert goes_on == (number > 0)
    again, err = program(tmp_path).communicate(timeout=300)
    out, folder = complete
    assert again == out, err
    assert "goes on after epoch" in err
    for name in ("metrics.jsonl", "generator.npz"):
        assert (tmp_path / "run" / name).read_bytes() == (folder / name).read_bytes()
