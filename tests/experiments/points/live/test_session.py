"""The controls of the live page, without a server."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.points import lanes, program
from experiments.points.live import programs
from jaxgan.data import points
from jaxgan.errors import InputError

STROKES = [[[0.3, 0.2], [1.2, 0.2]], [[0.75, 0.3], [0.75, 0.9]]]


def leaves(tree):
    def numbers(x):
        typed = jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(x) if typed else x)

    return [numbers(x) for x in jax.tree.leaves(tree)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


@pytest.fixture(scope="module")
def commands(config_of, data):
    """State and metrics of the command line's program after all epochs."""
    config = config_of()
    made = program.make_program(config, lanes.lanes_of(config, points.load(data).points))
    return made.advance(made.init(), config.epochs)


def test_play_makes_the_numbers_of_the_command_line(session_of, play, commands):
    session = session_of()
    play(session)
    state, metrics = commands
    assert same(session.training.state, state)  # to the bit, whatever the pictures' times
    assert session.training.done
    assert session.message == "the 4 epochs are done"
    assert len(session.training.records) == 4
    assert metrics.keys() <= session.training.records[0].keys()
    for name, values in metrics.items():
        mine = [record[name] for record in session.training.records]
        # Sums in another order, in double precision.
        np.testing.assert_allclose(mine, np.asarray(values).T, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="4 epochs are done; raise Epochs to continue"):
        session.play()


def test_a_picture_shows_samples_field_arrows_and_grid(session_of):
    session = session_of()
    session.step("both")
    seen, real = session.shot.picture, session.shot.real
    assert seen.scores.shape == (72 * 48,)
    assert seen.fake.shape == real.shape
    assert seen.pull.shape == (len(real), 2)  # fewer samples than programs.ARROWS
    assert seen.grid.shape == (2 * programs.LINES * programs.NODES, 2)
    assert ((real >= 0) & (real <= 1)).all()
    assert all(np.isfinite(x).all() for x in seen)
    number, step, *losses, fit, average = session.shot.curve[-1]
    assert (number, step) == (session.shot.number, 1)
    assert np.isfinite(losses).all()
    assert fit is average is None  # no epoch is complete


def test_arrows_point_where_the_score_rises(session_of):
    """The generator of wgan_gp raises the mean score: it pulls along the score's gradient."""
    session = session_of()
    session.step("both")
    training = session.training
    seen = training.programs.picture(
        training.state, training._short, np.zeros((1, 2), np.float32), training.latents
    )
    gan = program.build(training.config, {"learning_rate": np.ones(1)})
    state = jax.tree.map(lambda x: x[0], training.state)
    move = 1e-2 / np.linalg.norm(seen.pull, axis=1).max()
    here, there = (
        gan.score(state, seen.fake[: len(seen.pull)] + k * seen.pull) for k in (0, move)
    )
    # A short move gains its length times the slope; the critic bends a little.
    np.testing.assert_allclose((there - here).sum(), move * (seen.pull**2).sum(), rtol=0.05)


@pytest.mark.parametrize("network", programs.NETWORKS)
def test_a_step_of_one_network_leaves_the_other_alone(session_of, network):
    session = session_of()
    session.step("both")
    before = session.training.state
    session.play()
    session.step(network)
    assert not session.playing
    first = session.training.state
    still, moved = ("generator", "critic") if network == "critic" else ("critic", "generator")
    assert same(getattr(first, still), getattr(before, still))
    assert not same(getattr(first, moved).params, getattr(before, moved).params)
    assert same(first.average, before.average) == (network == "critic")
    assert first.step[0] == before.step[0] + (network == "generator")
    assert same(first.key, before.key)
    session.step(network)  # another batch: another change
    assert not same(getattr(session.training.state, moved).params, getattr(first, moved).params)
    assert [act["update"] for act in session.training.acts] == [network] * 2


def test_both_is_an_update_of_the_command_line(session_of, play):
    stepped, played = session_of(), session_of()
    for _ in range(3):
        stepped.step("both")
    play(played, updates=3)
    assert same(stepped.training.state, played.training.state)
    assert stepped.training.acts == []
    with pytest.raises(InputError, match="unknown step 'all'; choose from critic, generator"):
        stepped.step("all")


def test_rates_change_without_a_new_program(session_of, monkeypatch):
    session = session_of(optimizer=("sgd",), schedule="constant")
    session.step("both")
    session.step("both")  # an epoch, and so its measures
    before = session.training.state
    traced = []
    monkeypatch.setattr(programs, "build", lambda *_: traced.append(1))
    answer = session.change(
        learning_rate="1e-20", critic_learning_rate=1e-20, penalty_weight=0.5, epochs=9
    )
    assert answer == ""
    session.step("both")
    assert traced == []
    after = session.training.state
    assert after.step[0] == 3
    assert same(after.generator.params, before.generator.params)
    assert same(after.critic.params, before.critic.params)
    assert session.training.acts == [
        {
            "step": 2,
            "learning_rate": (1e-20,),
            "critic_learning_rate": 1e-20,
            "penalty_weight": (0.5,),
            "epochs": 9,
        }
    ]
    assert session.shot.facts["settings"]["learning_rate"] == 1e-20


def test_another_rate_of_the_generator_leaves_the_critics(session_of):
    session = session_of(learning_rate=(1e-3,))
    assert session.training.config.critic_learning_rate is None
    session.change(learning_rate=0.5)
    assert session.training.config.critic_learning_rate == 1e-3
    assert session.shot.facts["settings"]["critic_learning_rate"] == 1e-3


def test_networks_go_on_under_other_settings(session_of):
    session = session_of()
    session.step("both")
    before = session.training.state
    assert session.change(variant="wgan") == ""
    assert session.training.config.penalty == "none"
    assert session.training.config.clip == (0.2,)  # that of the laboratory's defaults
    assert session.shot.facts["settings"]["penalty_weight"] is None
    now = session.training.state
    assert same(now, before)
    answer = session.change(optimizer="rmsprop")
    assert answer == "restarted: generator's optimizer, critic's optimizer"
    now = session.training.state
    assert same(now.generator.params, before.generator.params)
    assert session.change(generator_widths="8,8") == "restarted: generator"
    now = session.training.state
    assert same(now.critic.params, before.critic.params)
    assert now.generator.params.keys() != before.generator.params.keys()
    session.step("both")
    assert np.isfinite(session.shot.picture.fake).all()


def test_a_change_that_fails_changes_nothing(session_of, monkeypatch):
    session = session_of()
    session.step("both")
    training = session.training

    def full(*_):
        raise MemoryError

    config, acts = training.config, list(training.acts)
    with monkeypatch.context() as patch:
        patch.setattr(type(training), "_call", full)
        with pytest.raises(MemoryError):
            session.change(generator_widths="8,8")
    assert (training.config, training.acts) == (config, acts)
    session.step("both")
    assert training.step == 2


def test_before_training_a_change_is_another_start(session_of):
    session = session_of()
    session.change(critic_steps=2, latent_dim=1, latent="uniform")
    assert session.training.acts == []
    assert session.shot.picture.grid.shape == (programs.NODES, 2)
    assert session.start == 2
    session.step("both")
    session.change(seed=5)
    assert session.training.acts == []
    assert session.training.step == 0


def test_reset_starts_from_the_seed(session_of):
    session = session_of()
    first = session.training.state
    session.step("both")
    session.step("critic")
    session.reset()
    assert same(session.training.state, first)
    assert session.training.acts == session.shot.curve == []


def test_the_variants_own_settings(session_of):
    session = session_of(standardize=False)
    session.change(variant="gan")
    assert session.usual() == "the settings of --variant=gan"
    assert session.training.config.generator_widths == (128, 128, 128)
    assert session.training.config.epochs == 300
    assert session.training.config.train_size == 512  # it stays, as the points do
    assert session.training.config.standardize is False
    assert len(session.training.ground.lane.train) == 512


def test_another_split_is_another_ground(session_of):
    session = session_of()
    session._begin(replace(session.training.config, train_size=500))
    assert len(session.training.ground.lane.train) == 500
    session._begin(replace(session.training.config, standardize=False))
    assert (session.training.ground.lane.units.scale == 1).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": "fast"}, "learning_rate='fast' must be a number"),
        ({"learning_rate": -1}, "--learning_rate=-1.0: must be positive"),
        ({"learning_rate": None}, "learning_rate='None' must be a number"),
        ({"critic_steps": 0}, "--critic_steps=0: must be a whole number from 1"),
        ({"critic_steps": "1.5"}, "critic_steps=1.5 must be a whole number"),
        ({"critic_steps": "1e300"}, "critic_steps=1e300 must be a whole number"),
        ({"critic_steps": 10**400}, "critic_steps='1000"),
        ({"batch_size": 600}, "one generator update takes 3 batches"),
        ({"variant": "wgna"}, "unknown variant 'wgna'; choose from gan"),
        ({"clip": 0.1}, "clip has no effect: the variant has none"),
        ({"generator_widths": "8,x"}, "generator_widths='x' must be a number"),
        ({"generator_widths": "2000"}, "up to 1024 units a layer"),
        ({"critic_widths": "8," * 9 + "8"}, "critic_widths has 10 layers"),
        ({"data": "/etc/passwd"}, "no setting 'data' can be changed on the page"),
        ({"latent": "cauchy"}, "unknown latent 'cauchy'; choose from normal, uniform"),
    ],
)
def test_bad_settings_are_one_line_and_change_nothing(session_of, settings, words):
    session = session_of()
    config = session.training.config
    with pytest.raises(InputError) as error:
        session.change(**settings)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert session.training.config is config


def test_training_that_diverges_pauses_and_says_so(session_of, play):
    session = session_of(optimizer=("sgd",), learning_rate=(1e30,))
    play(session)
    assert session.training.step < session.training.config.updates
    assert "no longer finite; a smaller learning rate may help" in session.message


def test_another_cloud_starts_anew(session_of):
    session = session_of()
    session.step("both")
    session.change(critic_steps=2)
    assert session.draw(STROKES) == "8192 points along the strokes"
    training = session.training
    assert (training.step, training.acts, training.config.train_size) == (0, [], 7000)
    assert training.config.critic_steps == 2
    assert training.ground.extent == (0, 1.5, 0, 1)
    session.step("both")
    session.choose("ring")
    assert session.training.config.data == "ring"
    assert session.shot.facts["modes"][1] == 8
    with pytest.raises(InputError, match="unknown cloud 'rung'; choose from m, ring"):
        session.choose("rung")
    assert session.training.config.data == "ring"


def test_a_file_that_is_too_small_for_the_batch_gets_a_fitting_one(session_of):
    session = session_of()
    rows = "\n".join(f"{x},{y}" for x, y in np.random.default_rng(0).normal(size=(60, 2)))
    assert session.load("few.csv", rows.encode()).startswith("60 points")
    config = session.training.config
    assert config.train_size == 48
    assert config.batch_size * config.critic_steps <= 48
    session.step("both")
    for name, content, words in (
        ("few.csv", b"1,2\n3,x\n", "few.csv"),
        ("few.txt", b"1,2", "neither a built-in point cloud"),
        ("../../etc/few.npy", b"", "few.npy"),
    ):
        with pytest.raises(InputError) as error:
            session.load(name, content)
        assert words in str(error.value)
        assert "/tmp" not in str(error.value)
    assert session.training.config is config


def test_acts_come_from_any_thread_in_order(session_of):
    session = session_of()
    futures = [session.ask("step", of="both") for _ in range(2)]
    futures += [session.ask("dance"), session.ask("step", foot=1), session.ask("pause")]
    session.run(lambda: None, futures[-1].done)
    assert session.training.step == 2
    refused = [future.exception(0) is not None for future in futures]
    assert refused == [False, False, True, True, False]
    assert "unknown act 'dance'; choose from play, pause" in str(futures[2].exception(0))


@pytest.mark.parametrize(
    "error",
    [
        OverflowError("too large"),
        ValueError("too\nlong"),
        MemoryError(),
        jax.errors.JaxRuntimeError("out of memory"),
    ],
)
def test_what_cannot_be_done_does_not_end_the_training(session_of, error):
    session = session_of()

    def fails():
        session.status = "compiling"
        raise error

    session._acts["reset"] = fails
    future, after = session.ask("reset"), session.ask("step", of="both")
    session.run(lambda: None, after.done)
    assert isinstance(future.exception(0), InputError)
    line = str(error).partition("\n")[0] or "MemoryError"
    assert str(future.exception(0)) == f"that cannot be done: {line}"
    assert session.shot.facts["status"] == ""
    assert session.training.step == 1


def test_slow_motion_waits_between_updates(session_of):
    session = session_of()
    assert session.pace("slow motion") == ""
    session.play()
    shots = []
    session.tell = lambda: shots.append(session.training.step)
    session.run(lambda: None, lambda: session.training.step >= 2)
    # A change of what is said, such as while a program compiles, is shown too.
    assert [step for step in dict.fromkeys(shots) if step] == [1, 2]
    with pytest.raises(InputError, match="unknown speed 'warp'; choose from fast"):
        session.pace("warp")
