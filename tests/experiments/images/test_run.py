import dataclasses
import json

import jax
import numpy as np
import pytest
from PIL import Image

from experiments.common.settings import Recipe
from experiments.faces import compare
from experiments.faces import config as faces
from experiments.fashion_mnist import config as fashion_mnist
from experiments.images import run
from experiments.images.config import Dataset, configure
from experiments.images.program import (
    LatentSet,
    _few,
    build,
    fixed_latents,
    make_program,
    make_sampler,
)
from jaxgan.data import pixels
from jaxgan.errors import InputError
from jaxgan.runs import Stopped, jobs
from tests.experiments.images.contents import assert_holds_what_it_should
from tests.quick import normal

SMALL = {"size": 32, "width": 2, "latent_dim": 4, "batch_size": 16, "epochs": 2}


def test_a_run_directory_holds_what_it_should(original):
    assert_holds_what_it_should(original, 10)


def test_a_complete_run_is_not_done_again(finished, dataset, config_of, capsys):
    summary = run.run(config_of(seeds=2), finished, dataset)
    assert summary == json.loads((finished / "summary.json").read_text())
    assert "already complete" in capsys.readouterr().err


def test_a_run_that_is_stopped_goes_on_bit_for_bit(
    tmp_path, original, dataset, config_of, arrays_of
):
    def stop_first():
        if not (tmp_path / "cut" / "frames" / "epoch_0002.png").exists():
            raise Stopped(15)

    config = config_of(seeds=2)
    with pytest.raises(Stopped):
        run.run(config, tmp_path / "cut", dataset, samples=10, check=stop_first)
    run.run(config, tmp_path / "cut", dataset, samples=10)
    assert arrays_of(tmp_path / "cut") == arrays_of(original)
    for name in ("metrics.jsonl", "samples.png", "frames/epoch_0002.png"):
        assert (tmp_path / "cut" / name).read_bytes() == (original / name).read_bytes()


@pytest.mark.slow
def test_a_lane_equals_the_same_seed_alone(dataset, config_of):
    functions = make_program(config_of(seeds=2), dataset)
    together, _ = functions.advance(functions.init(), 1)
    for lane in range(2):
        functions = make_program(config_of(seed=lane), dataset)
        alone, _ = functions.advance(functions.init(), 1)
        for x, y in zip(
            jax.tree.leaves(together.generator.params),
            jax.tree.leaves(alone.generator.params),
            strict=True,
        ):
            # Adam divides by roots of squares: rounding grows to about a part in 10^4.
            np.testing.assert_allclose(x[lane], y[0], rtol=1e-3, atol=1e-5)


def test_pixels_reach_the_networks_in_their_range(dataset):
    batch = np.asarray(pixels.to_float(dataset.images[:2]))
    assert batch.min() >= -1
    assert batch.max() <= 1
    np.testing.assert_array_equal(pixels.to_uint8(batch), dataset.images[:2])
    assert pixels.to_uint8(np.array([-2.0, 2.0, np.nan])).tolist() == [0, 255, 128]


def test_samples_are_those_of_the_last_state(original, dataset, config_of):
    functions = make_program(config_of(seeds=2), dataset)
    state = jobs.last_state(original, functions.init)
    z = fixed_latents(config_of(), 10, LatentSet.SAMPLES)
    with np.load(original / "samples.npz") as file:
        np.testing.assert_array_equal(make_sampler(functions)(state, z)[0], file["images"])


def test_generated_images_are_told_from_one_another(original):
    lines = (original / "metrics.jsonl").read_text().splitlines()
    distinct = np.array([json.loads(line)["distinct"] for line in lines])
    assert distinct.shape == (2, 2)
    assert (distinct >= 0).all()


@pytest.mark.parametrize(
    ("count", "kinds", "chosen"), [(31, 31, 0), (40, 40, 10), (400, 100, 0), (2000, 2000, 256)]
)
def test_distances_are_those_of_images_that_do_not_repeat(count, kinds, chosen):
    images = normal(kinds, 2, 2, 1)[np.arange(count) % kinds]
    few = _few(images)
    assert len(np.unique(few.reshape(-1, 4), axis=0)) == len(few) == chosen


def test_every_purpose_has_latents_of_its_own(config_of):
    drawn = [np.asarray(fixed_latents(config_of(), 2, purpose)) for purpose in LatentSet]
    assert len({x.tobytes() for x in drawn}) == len(LatentSet)


def test_default_norms_fit_the_penalty(config_of):
    assert config_of().critic_norm == "batch"
    assert config_of(variant=("wgan_gp",)).critic_norm == "none"
    assert config_of(penalty="gradient").critic_norm == "none"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"variant": ("wgan_gp",), "critic_norm": "batch", "model": ("dcgan",)},
            "batch norm mixes examples; choose from layer, none, spectral",
        ),
        ({"norm": "group"}, "--norm=group: must be one of batch, layer, none"),
        ({"model": ("vgg",)}, "unknown model 'vgg'"),
        ({"model": ()}, "--model needs a value"),
        ({"width": 0}, "--width=0: must be a whole number"),
        ({"train_size": 65}, "--train_size=65: must be a whole number from 1 to 64"),
        ({"batch_size": 65}, "65 examples, and there are 64 to train on; --batch_size=64 fits"),
        (
            {"critic_steps": 5},
            "80 examples, and there are 64 to train on; --batch_size=12 fits",
        ),
        ({"batch_size": 1, "critic_steps": 65}, "there are 64 to train on"),
        ({"pack": 3}, "--pack=3: must be a whole number from 1 that divides the batch of 16"),
        ({"pack": 0}, "--pack=0: must be a whole number from 1 that divides the batch of 16"),
        ({"critic_width": 0}, "--critic_width=0: must be a whole number from 1 to 1024"),
        ({"epoch_size": 0}, "--epoch_size=0: must be a whole number from 1 to 64"),
        ({"epoch_size": 65}, "--epoch_size=65: must be a whole number from 1 to 64"),
        ({"epoch_size": 9}, "there are 9 to train on in an epoch; --batch_size=9 fits"),
        ({"pack": 3, "batch_size": 66}, "66: one generator update takes 1 batches, 66"),
        (
            {"train_size": 3, "batch_size": 1},
            "there are 3 images to train on; at least 4 are needed",
        ),
    ],
)
def test_bad_settings_are_one_clear_line(config_of, given, message):
    with pytest.raises(InputError) as caught:
        config_of(**given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_critic_has_packs_and_a_width_which_a_run_without_does_not_mention(
    dataset, config_of
):
    def first_kernel(config):
        gan = build(config, config.combinations()[0], 3)
        state = jax.eval_shape(gan.init, jax.random.key(0), np.zeros((1, 32, 32, 3)))
        return state.critic.params["Conv_0"]["kernel"].shape

    plain, other = config_of(), config_of(pack=2, critic_width=5)
    assert first_kernel(plain)[2:] == (3, 2)
    assert first_kernel(other)[2:] == (6, 5)
    assert config_of(critic_width=plain.width) == plain
    new = {"pack": 2, "critic_width": 5}
    assert not new.keys() & run.settings(dataset, plain).keys()  # older runs go on
    assert new.items() <= run.settings(dataset, other).items()


def test_an_epoch_may_be_a_part_of_a_pass(config_of):
    assert config_of(epoch_size=40).steps_per_epoch == 2
    assert config_of().steps_per_epoch == 4
    assert config_of(epoch_size=64) == config_of()


def test_a_dcgan_does_not_go_on_with_an_older_run_of_that_name(dataset, config_of):
    """The older one has the networks of report D."""
    older = run.settings(dataset, config_of()) | {"model": "dcgan"}
    assert run.settings(dataset, config_of(model=("dcgan",))) == older | {"networks": 2}


def same_picture(dataset, count, different=0):
    same = np.broadcast_to(dataset.images[:1], (count, 32, 32, 3))
    return Dataset(np.concatenate([same, dataset.images[1 : 1 + different]]), "")


def test_identical_pictures_are_refused(dataset):
    def resolve(data):
        return configure(faces.DEFAULTS, Recipe({}), SMALL | {"variant": ("gan",)}, data)

    with pytest.raises(InputError, match="all 40 images to train on are the same picture; a"):
        resolve(same_picture(dataset, 40))
    assert resolve(same_picture(dataset, 40, different=1))
    with pytest.raises(InputError, match="the first 2048 images to train on are the same"):
        resolve(same_picture(dataset, 2048, different=1))
    assert resolve(same_picture(dataset, 2047, different=1))


def test_a_default_batch_fits_small_data(dataset, capsys):
    few = Dataset(dataset.images[:10], "")
    settings = {"size": 32, "variant": ("gan", "wgan"), "critic_steps": 3}
    configs = configure(faces.DEFAULTS, Recipe({}), settings, few)
    assert [config.batch_size for config in configs] == [3, 3]
    line = "batch_size=3: one update takes 3 batches, and there are 10 images to train on\n"
    assert capsys.readouterr().err == line
    (config,) = configure(faces.DEFAULTS, Recipe({}), {"size": 32}, dataset)
    assert config.batch_size == faces.DEFAULTS.common["batch_size"]
    assert capsys.readouterr().err == ""
    with pytest.raises(
        InputError, match="512 examples, .* 10 to train on; --batch_size=10 fits"
    ):
        configure(faces.DEFAULTS, faces.RECIPES["report_d_gan"], {}, few)


def test_the_recipes_are_the_reports_values(dataset):
    many = Dataset(np.concatenate([dataset.images] * 10)[:600], "")
    (config,) = configure(faces.DEFAULTS, faces.RECIPES["report_d_gan"], {}, many)
    assert (config.batch_size, config.epochs, config.latent_dim) == (512, 30, 200)
    # Losses summed over the batch, the critic's halved: as rates of mean losses.
    assert config.learning_rate == (2.56,)
    assert config.critic_learning_rate == 1.28
    (config,) = configure(faces.DEFAULTS, faces.RECIPES["report_d_wgan_gp"], {}, many)
    assert (config.optimizer, config.learning_rate) == ("adam", (0.001,))
    assert config.betas == (0.5, 0.999)
    recipe = fashion_mnist.RECIPES["report_e"]
    configs = configure(fashion_mnist.DEFAULTS, recipe, {}, many)
    assert [config.model for config in configs] == ["report_dense", "report_conv"]
    assert {config.learning_rate for config in configs} == {(2e-4,)}


def test_variants_are_drawn_side_by_side(tmp_path, original, config_of):
    """Two programs whose samples are those of one run."""
    folders = {}
    for variant in ("gan", "wgan_gp"):
        folders[tmp_path / variant] = dataclasses.replace(config_of(), variant=variant)
        (tmp_path / variant).symlink_to(original)
    compare.compare(folders, tmp_path)
    with Image.open(tmp_path / "side_by_side.png") as image:
        assert image.width > 2 * 4 * 32
    with Image.open(tmp_path / "side_by_side.gif") as image:
        assert image.n_frames == 3
