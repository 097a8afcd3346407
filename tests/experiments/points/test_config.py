import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from experiments.common.settings import identity
from experiments.points.config import DEFAULTS, Config, configure
from experiments.points.recipes import RECIPES
from jaxgan.errors import InputError
from jaxgan.training.objectives import OBJECTIVES
from jaxgan.training.optimizers import OPTIMIZERS


@pytest.mark.parametrize("variant", OBJECTIVES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_variant_and_optimizer_has_defaults(variant, optimizer):
    (config,) = configure(variant=(variant,), optimizer=(optimizer,))
    assert (config.variant, config.optimizer, config.train_size) == (variant, optimizer, 7000)
    assert config.penalty == OBJECTIVES[variant].penalty
    assert bool(config.penalty_weight) == (config.penalty != "none")
    assert bool(config.clip) == (OBJECTIVES[variant].clip is not None)


def test_settings_that_older_runs_lack_identify_no_run_by_default():
    more = {"pack": 2, "latent": "uniform", "columns": ("x", "y"), "modes": "m.csv"}
    (usual,), (packed,) = configure(), configure(**more)
    assert identity(packed) == identity(usual) | more
    assert not more.keys() & identity(usual).keys()


def test_defaults_are_settings():
    names = {field.name for field in dataclasses.fields(Config)}
    assert set(DEFAULTS.common) <= names
    for settings in DEFAULTS.by_variant.values():
        assert set(settings) <= names
    for recipe in RECIPES.values():
        assert set(recipe.settings) <= names


def test_a_sweep_is_one_program_per_variant_and_optimizer():
    configs = configure(
        variant=("gan", "wgan_gp"), optimizer=("sgd", "adam"), penalty_weight=(0.1, 1.0)
    )
    found = [(c.variant, c.optimizer, len(c.combinations())) for c in configs]
    assert found == [
        ("gan", "sgd", 1),
        ("gan", "adam", 1),
        ("wgan_gp", "sgd", 2),
        ("wgan_gp", "adam", 2),
    ]


def test_an_optimizer_of_optax_has_the_rate_of_adam_and_betas_that_are_given(capsys):
    given = {"variant": ("wgan_gp",), "optimizer": ("optax.adamw:weight_decay=1e-3",)}
    (config,) = configure(**given)
    assert config.optimizer == "optax.adamw:weight_decay=0.001"
    assert (config.learning_rate, config.critic_learning_rate) == ((2e-4,), None)
    assert config.betas == ()
    assert "weight_decay=0.001: learning_rate=0.0002, that of adam" in capsys.readouterr().err
    (config,) = configure(**given, learning_rate=(1e-3, 1e-2), betas=(0.1, 0.2))
    assert (config.learning_rate, config.betas) == ((1e-3, 1e-2), (0.1, 0.2))
    assert capsys.readouterr().err == ""


def test_cells_are_all_combinations_of_traced_values():
    (config,) = configure(variant=("wgan",), learning_rate=(1e-3, 1e-4), clip=(0.1, 0.2))
    assert config.combinations() == [
        {"learning_rate": rate, "clip": clip} for rate in (1e-3, 1e-4) for clip in (0.1, 0.2)
    ]


def test_recipes_carry_the_reports_values_and_flags_win():
    b = configure("report_b")
    assert [c.variant for c in b] == ["gan", "wgan", "wgan_gp"]
    for config in b:
        assert config.optimizer == "rmsprop"
        assert config.learning_rate == (1e-4,)
        assert config.generator_widths == config.critic_widths == (256, 64)
        assert (config.epochs, config.critic_steps, config.train_size) == (200, 1, 7000)
    assert b[2].penalty_weight == (0.001,)
    a = configure("report_a", variant=("gan",), optimizer=("sgd", "adam"))
    assert [c.critic_steps for c in a] == [20, 5]
    c = configure("report_c")
    assert {(x.generator_widths, x.critic_widths) for x in c} == {((512, 256), (256, 256))}
    (config,) = configure("report_b", variant=("wgan_gp",), epochs=3, penalty_weight=(5.0,))
    assert (config.epochs, config.penalty_weight) == (3, (5.0,))


def test_a_penalty_goes_on_any_variant():
    (config,) = configure(variant=("gan",), penalty="gradient")
    assert (config.penalty, config.penalty_weight) == ("gradient", (10.0,))
    (config,) = configure(variant=("wgan_gp",), penalty="none")
    assert (config.penalty, config.penalty_weight) == ("none", ())


def test_small_data_keep_a_fifth_to_test_on(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(500, 2)))
    (config,) = configure(data=str(tmp_path / "a.npy"))
    assert config.train_size == 400


def cloud_of(tmp_path, count):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(count, 2)))
    return str(tmp_path / "a.npy")


@pytest.mark.parametrize("variant", OBJECTIVES)
def test_defaults_fit_few_points(tmp_path, capsys, variant):
    for count, size in ((300, 240), (10, 8)):
        (config,) = configure(data=cloud_of(tmp_path, count), variant=(variant,))
        assert config.train_size == size
        (usual,) = configure(variant=(variant,))
        batch = min(usual.batch_size, size // config.critic_steps)
        assert config.batch_size == batch
        times = 5 if variant.startswith("wgan") else 1
        assert config.epochs == times * usual.epochs
        assert config.frame_every == times * usual.frame_every
        assert config.checkpoint_every == times * usual.checkpoint_every
        said = capsys.readouterr().err.splitlines()
        batches = [f"batch_size={batch}"] if batch < usual.batch_size else []
        more = [f"epochs={config.epochs}"] if times > 1 else []
        assert [x.split(":")[0] for x in said] == batches + more
    with pytest.raises(InputError, match="--batch_size=64: one generator update"):
        configure(data=cloud_of(tmp_path, 10), batch_size=64)


@pytest.mark.parametrize(
    ("given", "epochs"),
    [({}, 4500), ({"epochs": 500}, 500), ({"frame_every": 10}, 900)],
)
def test_few_points_take_more_epochs_unless_they_are_given(tmp_path, capsys, given, epochs):
    (config,) = configure(data=cloud_of(tmp_path, 100), **given)
    assert config.epochs == epochs
    assert ("epochs=" in capsys.readouterr().err) == (epochs > 900)


def test_a_batch_that_is_made_to_fit_has_whole_packs(tmp_path):
    (config,) = configure(data=cloud_of(tmp_path, 100), pack=7)
    assert config.batch_size == 21


def test_many_points_take_the_usual_epochs(tmp_path, capsys):
    (usual,) = configure()
    for cloud in (cloud_of(tmp_path, 8000), cloud_of(tmp_path, 5000), "ring"):
        (config,) = configure(data=cloud)
        assert (config.epochs, config.frame_every) == (usual.epochs, usual.frame_every)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "recipe", [name for name, own in RECIPES.items() if "batch_size" in own.settings]
)
def test_a_recipe_names_what_fits_few_points(tmp_path, recipe):
    optimizer = ("adam", "sgd") if recipe == "report_a" else ("rmsprop",)
    given: dict[str, Any] = {"data": cloud_of(tmp_path, 40), "optimizer": optimizer}
    with pytest.raises(InputError, match=f"; --recipe={recipe} --.* fits$") as caught:
        configure(recipe, **given)
    flags = re.findall(r"--(\w+_size)=(\d+)", str(caught.value).split(" --recipe")[1])
    assert ("train_size", "32") in flags or recipe != "report_b"
    given |= {name: int(value) for name, value in flags}
    configs = configure(recipe, **given)
    assert {config.train_size for config in configs} == {32}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variant": ("wgna",)}, "unknown variant 'wgna'; choose from gan,"),
        ({"optimizer": ("adamw",)}, "unknown optimizer 'adamw'; choose from sgd,"),
        ({"optimizer": ("optax.lino",)}, "'optax.lino' is unknown; of optax choose from"),
        ({"optimizer": ("optax.sm3",)}, "optax.sm3 takes a constant learning rate only"),
        ({"optimizer": ("optax.lbfgs",)}, "optax.lbfgs cannot be used: it needs more"),
        ({"optimizer": ("optax.lion", "optax.lion:")}, "given twice"),
        ({"optimizer": ("adam",), "betas": ()}, "betas=: must be two numbers"),
        ({"recipe": "report_z"}, "unknown recipe 'report_z'; choose from report_a,"),
        ({"penalty": "gp"}, "unknown penalty 'gp'; choose from none,"),
        ({"schedule": "steps"}, "unknown schedule 'steps'; choose from constant,"),
        ({"variant": ("gan", "gan")}, "given twice"),
        ({"variant": ()}, "--variant needs a value"),
        ({"optimizer": ()}, "--optimizer needs a value"),
        ({"learning_rate": ()}, "learning_rate=: needs a value"),
        ({"learning_rate": (0.0,)}, "learning_rate=0.0: must be positive"),
        ({"learning_rate": (1e-3, 1e-3)}, "has a value twice"),
        ({"learning_rate": (float("nan"),)}, "must be positive and finite"),
        ({"learning_rate": (1e39,)}, "learning_rate=1e.39: must be positive and finite"),
        ({"learning_rate": (1e-60,)}, "learning_rate=1e-60: must be positive and finite"),
        ({"recipe": ""}, "unknown recipe ''"),
        ({"critic_learning_rate": -1.0}, "critic_learning_rate=-1.0: must be positive"),
        (
            {"penalty_weight": (-1.0,)},
            "in float32 too; --penalty=none",
        ),
        ({"variant": ("gan",), "penalty_weight": (1.0,)}, "penalty_weight has no effect"),
        ({"variant": ("gan",), "clip": (1.0,)}, "--clip has no effect"),
        ({"variant": ("wgan",), "clip": (0.0,)}, "clip=0.0: must be positive"),
        ({"ema": 1.0}, "ema=1.0: must be at least 0 and below 1"),
        ({"betas": (0.5,)}, "betas=0.5: must be two numbers"),
        ({"epochs": 0}, "epochs=0: must be a whole number from 1"),
        ({"seeds": -1}, "seeds=-1: must be"),
        ({"seed": -1}, "seed=-1: must be"),
        ({"latent_dim": 0}, "latent_dim=0: must be"),
        ({"latent": "cauchy"}, "unknown latent law 'cauchy'; choose from normal, uniform"),
        ({"pack": 3}, "pack=3: must be a whole number from 1 that divides the batch of 256"),
        ({"pack": 0}, "pack=0: must be a whole number from 1"),
        ({"generator_widths": (64, 0)}, "generator_widths=64,0: must be whole numbers"),
        ({"critic_widths": ()}, "critic_widths=: must be whole numbers"),
        ({"train_size": 8192}, "train_size=8192: must be from 1 to 8191"),
        ({"train_size": 0}, "train_size=0: must be"),
        ({"batch_size": 7001, "critic_steps": 1}, "takes 1 batches, 7001 examples"),
        ({"batch_size": 2000, "critic_steps": 5}, "takes 5 batches, 10000 examples"),
        ({"frame_every": 7, "checkpoint_every": 20}, "must be a multiple of --frame_every=7"),
        ({"data": "nowhere.mat"}, "no such file: nowhere.mat"),
    ],
)
def test_bad_settings_are_one_clear_line(given, message):
    with pytest.raises(InputError, match=message) as caught:
        configure(**given)
    assert "\n" not in str(caught.value)


def test_the_critic_follows_a_learning_rate_that_is_given():
    (config,) = configure(variant=("wgan_gp",))
    assert config.critic_learning_rate is not None
    for given in ({"learning_rate": (1e-3,)}, {"optimizer": ("sgd",)}):
        (config,) = configure(variant=("wgan_gp",), **given)
        assert config.critic_learning_rate is None
    (config,) = configure(
        variant=("wgan_gp",), learning_rate=(1e-3,), critic_learning_rate=2e-3
    )
    assert config.critic_learning_rate == 2e-3
    for config in configure("report_b"):
        assert (config.learning_rate, config.critic_learning_rate) == ((1e-4,), None)
