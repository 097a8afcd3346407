import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxgan.errors import InputError
from jaxgan.networks import mlp
from jaxgan.networks.pairs import PAIRS
from jaxgan.training import devices
from jaxgan.training.augment import augment
from jaxgan.training.gan import gan
from jaxgan.training.objectives import OBJECTIVES, objective
from jaxgan.training.optimizers import pair
from jaxgan.training.traffic import sums, traffic
from tests.quick import normal, state_of

BATCH, WIDTH, CLASSES = 16, 32, 3


def points_gan():
    return gan(
        mlp.Generator((WIDTH,)),
        mlp.Critic((WIDTH,)),
        objective("wgan_gp"),
        pair("sgd", 1e-2),
        latent_dim=8,  # more than what mlp takes apart without a product
    )


def product_rows(compiled):
    """Batch sizes of the matrix products of hidden layers."""
    return set(re.findall(rf"= f32\[(\d+),{WIDTH}\]\S* dot\(", compiled.as_text()))


def assert_close(tree, other, rtol=1e-5):
    """Compare after SGD: Adam would turn rounding of tiny gradients into whole steps."""
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol / 10), tree, other
    )


def shared(function, *arguments):
    """Compile a function whose batches all devices share."""
    mesh = devices.make_mesh()
    everywhere = devices.everywhere(mesh)
    with jax.set_mesh(mesh):
        compiled = jax.jit(function, out_shardings=everywhere)
        return compiled.lower(*jax.device_put(arguments, everywhere)).compile()


def test_devices_share_the_products_of_a_step(key):
    g, reals = points_gan(), normal(2, BATCH, 2)
    state = state_of(g, key, reals[0, :1])
    alone, together = (
        jax.jit(g.step).lower(state, reals).compile(),
        shared(g.step, state, reals),
    )
    # Each device pushes its own latents through the generator, a share of the batch.
    assert str(BATCH) not in product_rows(together)
    assert str(BATCH) in product_rows(alone)  # the test can fail
    mine, expected = alone(state, reals)
    placed = jax.device_put((state, reals), devices.everywhere(devices.make_mesh()))
    other, metrics = together(*placed)
    assert_close(
        (mine.generator, mine.critic, expected), (other.generator, other.critic, metrics)
    )


CASES = {
    "dense": ("report_dense", 28, 4, "gan", None, {}),
    "conv": ("report_conv", 28, 4, "gan", None, {}),
    "conv, penalty": ("report_conv", 28, 4, "wgan_gp", "layer", {}),
    "report's dcgan": ("report_dcgan", 64, 2, "gan", None, {}),
    "two penalties": ("report_dcgan", 64, 2, "rpgan", "none", {}),
    "statistics of a batch": ("report_dense", 28, 4, "dragan", None, {}),
    "packs": ("report_dense", 28, 4, "lsgan", None, {"pack": 2}),
    "labels": ("dcgan", 32, 4, "gan", None, {"classes": CLASSES}),
    "sngan, augmented": ("sngan", 32, 2, "hinge", None, {"augment": True, "classes": CLASSES}),
}
QUICK = ("conv", "labels")


def network_gan(name, size, width, variant, norm, options):
    networks, form = PAIRS[name], {}
    if "classes" in options:
        form = {"classes": options["classes"]}
    channels = 1 if size == 28 else 3
    changes = ("color", "translation", "cutout") if "augment" in options else ()
    return gan(
        networks.generator(size, width, channels, "batch", **form),
        networks.critic(size, width, norm or networks.critic_norms[0], **form),
        objective(variant),
        pair("sgd", 1e-2),
        latent_dim=4,
        ema=0.9,
        pack=options.get("pack", 1),
        augment=augment(changes),
    )


# Each pair of networks, and a penalty.
ON_CARD = ("dense", "conv", "conv, penalty", "report's dcgan", "labels", "sngan, augmented")


def start_of(case):
    """A GAN of a case, and the inputs of its first step."""
    name, size, width, variant, norm, options = CASES[case]
    g = network_gan(*CASES[case])
    channels = 1 if size == 28 else 3
    inputs = [normal(1, BATCH, size, size, channels)]
    first = [inputs[0][0, :1]]
    if "classes" in options:
        labels = np.arange(BATCH, dtype=np.int32)[None] % CLASSES
        inputs.append(labels)
        first.append(labels[0, :1])
    state = jax.jit(g.init)(jax.random.key(0), *first)
    return g, (state, *inputs)


@functools.cache
def steps_of(case):
    """A GAN of a case, its inputs, and its step compiled for one device and for all."""
    g, inputs = start_of(case)
    alone = jax.jit(g.step).lower(*inputs).compile()
    return g, inputs, alone, shared(g.step, *inputs)


cases = pytest.mark.parametrize(
    "case",
    [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES],
)


@pytest.mark.parametrize(
    ("device", "case"),
    [pytest.param("cpu", case, marks=pytest.mark.slow) for case in QUICK]
    + [pytest.param("gpu", case, marks=pytest.mark.gpu) for case in ON_CARD],
    indirect=["device"],
)
def test_a_step_in_the_forms_of_a_card_equals_that_of_a_cpu(device, case, as_on_card):
    g, inputs = start_of(case)

    def run(place):
        placed = jax.device_put(inputs, place)
        mine, metrics = jax.jit(lambda *args: g.step(*args))(*placed)
        return jax.device_get((mine.generator, mine.critic, mine.average, metrics))

    with jax.default_matmul_precision("highest"):
        expected = as_on_card(run, jax.devices("cpu")[0], card=False)
        own = as_on_card(run, device)
    # Other forms of convolutions, which a card may compute by Winograd's or by transforms.
    assert_close(own, expected, rtol=1e-4)


@cases
def test_a_step_of_all_devices_equals_that_of_one(case):
    """Running statistics of batch norm are equal, too: they are those of the whole batch."""
    _, inputs, alone, together = steps_of(case)
    state, metrics = alone(*inputs)
    placed = jax.device_put(inputs, devices.everywhere(devices.make_mesh()))
    other, others = together(*placed)
    scale = max(np.abs(x).max() for x in jax.tree.leaves(state.generator.params))
    for x, y in zip(
        jax.tree.leaves((state.generator, state.critic, state.average, metrics)),
        jax.tree.leaves((other.generator, other.critic, other.average, others)),
        strict=True,
    ):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5 * scale)


@cases
def test_devices_send_gradients_and_statistics_only(case):
    """The bytes of all sums, except scalars, equal what ``traffic`` computes."""
    _, (state, *_), _, together = steps_of(case)
    number, sent = sums(together.as_text())  # which raises if there is anything else
    assert number
    variant = CASES[case][3]
    expected = traffic(state, OBJECTIVES[variant].penalty, relativistic=variant == "rpgan")
    within = 0.01 if CASES[case][4] == "layer" else 0  # its penalty has more than one form
    assert sent == pytest.approx(sum(expected), rel=within, abs=0)


def test_what_is_no_sum_is_told():
    mesh = devices.make_mesh()
    x = jax.device_put(normal(8, 3), devices.NamedSharding(mesh, PartitionSpec("data")))
    gather = jax.jit(lambda x: x, out_shardings=devices.everywhere(mesh))
    with pytest.raises(ValueError, match="all-gather"):
        sums(gather.lower(x).compile().as_text())
    total = jax.jit(lambda x: x.sum(0), out_shardings=devices.everywhere(mesh))
    assert sums(total.lower(x).compile().as_text()) == (1, 4 * 3)


def test_traffic_grows_with_critic_updates():
    """The critic's traffic is that of one update times the number of updates."""
    g = points_gan()
    state = jax.eval_shape(g.init, jax.random.key(0), jnp.zeros((1, 2)))
    one, two, three = (traffic(state, "gradient", n).gradients for n in (1, 2, 3))
    weights = 4 * (2 * WIDTH + WIDTH)  # in both passes; biases are in one
    assert two - one == three - two == 2 * weights + 4 * (WIDTH + 1)


def test_a_batch_is_split_where_a_mesh_is_in_use():
    mesh = devices.make_mesh()
    x = normal(2, 8, 3)
    split = jax.jit(lambda x: devices.split(x, axis=1))
    assert split(x).sharding.num_devices == 1
    with jax.set_mesh(mesh):
        assert split(x).sharding.spec == PartitionSpec(None, "data")
        assert split(x[:, :7]).sharding.is_fully_replicated  # seven have no equal parts
        np.testing.assert_array_equal(split(x), x)


def test_joined_batches_come_apart():
    def both(x, y):
        joined = devices.join(x, y)
        return joined, *devices.part(joined)

    x, y = normal(8, 3), normal(8, 3, seed=1)
    joined, *parts = jax.jit(both)(x, y)
    np.testing.assert_array_equal(joined, np.concatenate([x, y]))
    np.testing.assert_array_equal(parts, [x, y])
    with jax.set_mesh(devices.make_mesh()):
        joined, *parts = jax.jit(both)(x, y)
        odd = jax.jit(both)(x[:7], y[:7])  # seven have no equal parts
    np.testing.assert_array_equal(odd[0], np.concatenate([x[:7], y[:7]]))
    each = 8 // devices.make_mesh().size
    np.testing.assert_array_equal(joined[: 2 * each], np.concatenate([x[:each], y[:each]]))
    np.testing.assert_array_equal(parts, [x, y])


def test_every_device_computes_its_part():
    mesh = devices.make_mesh()
    product = jax.jit(devices.by_parts(lambda w, x: x @ w, mesh))
    w, x = normal(3, 5), normal(8, 3)
    y = product(w, x)
    assert y.sharding.spec == PartitionSpec("data")
    np.testing.assert_allclose(y, x @ w, rtol=1e-5)


def test_more_devices_than_lanes_share_batches():
    mesh = devices.make_mesh()
    assert devices.for_batches(mesh.size, mesh, 16) is None
    assert devices.for_batches(mesh.size - 1, mesh, 16) is mesh
    assert devices.for_batches(1, devices.make_mesh(jax.devices()[:1]), 16) is None
    everything = devices.for_batches(1, None, 16)  # cores of a CPU share lanes alone
    assert (everything is None) == (jax.default_backend() == "cpu")


def test_by_default_as_many_devices_share_as_can(monkeypatch):
    """On a machine with four GPUs."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for batch, count in ((16, 4), (18, 3), (2, 2), (25, 1)):
        shared = devices.for_batches(1, None, batch)
        assert (shared.size if shared else 1) == count
    assert devices.for_batches(4, None, 16) is None


def test_the_number_of_devices_is_limited():
    try:
        devices.limit(2)
        assert devices.make_mesh().size == 2
        for count in (0, 1000):
            with pytest.raises(InputError, match=f"devices={count}: must be from 1 to"):
                devices.limit(count)
        assert devices.make_mesh().size == 2
    finally:
        devices.limit(None)
    assert devices.make_mesh().size == jax.device_count()


def test_a_batch_without_equal_parts_is_refused():
    words = "devices=4 cannot share a batch of 30 equally; 1, 2, 3 can"
    with pytest.raises(InputError, match=words):
        devices.for_batches(1, devices.make_mesh(jax.devices()[:4]), 30)
