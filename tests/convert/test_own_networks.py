"""Runs of ``jaxgan.fit``: the caller passes the network, the file holds its arrays."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert import own
from jaxgan.errors import InputError
from tests.convert.test_own import made
from tests.generators import line_of

DIM = 4


class Dense(nn.Module):
    """Two dense layers; batch norm between them."""

    features: int = 12
    shape: tuple[int, ...] = (2, 2, 3)

    @nn.compact
    def __call__(self, z, train=False):
        y = nn.Dense(5, name="entry")(z)
        y = nn.relu(nn.BatchNorm(not train)(y))
        return nn.tanh(nn.Dense(self.features)(y)).reshape(-1, *self.shape)


class Transposed(nn.Module):
    """A transposed convolution of one pixel, inside a block."""

    @nn.compact
    def __call__(self, z, train=False):
        return Block()(z.reshape(-1, 1, 1, DIM))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.relu(nn.ConvTranspose(6, (2, 2), padding="VALID")(x))
        return nn.Conv(1, (3, 3))(y)


class Skip(nn.Module):
    """The latent enters a second time."""

    @nn.compact
    def __call__(self, z, train=False):
        y = jnp.concatenate([nn.relu(nn.Dense(5)(z)), z], axis=1)
        return nn.Dense(12)(y).reshape(-1, 2, 2, 3)


class Normalised(nn.Module):
    """A nonlinear function of the latent enters."""

    @nn.compact
    def __call__(self, z, train=False):
        y = z / jnp.sqrt(jnp.square(z).mean(axis=1, keepdims=True))
        return nn.Dense(12)(y).reshape(-1, 2, 2, 3)


class Bare(nn.Module):
    """The network itself has the kernel, and no layer."""

    @nn.compact
    def __call__(self, z, train=False):
        kernel = self.param("kernel", nn.initializers.normal(), (DIM, 12))
        return (z @ kernel).reshape(-1, 2, 2, 3)


def written(folder, network, dtype=np.float32):
    """Save the network with random variables; return these."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), np.zeros((1, DIM), np.float32))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda x: rng.uniform(0.5, 2, x.shape).astype(dtype), shapes)
    own.save(folder / own.FILE, {"model": "own", "latent_dim": DIM}, variables)
    return variables


@pytest.mark.parametrize("network", [Dense(), Transposed()], ids=lambda x: type(x).__name__)
def test_what_is_written_is_read(network, tmp_path):
    variables = written(tmp_path, network)
    generator = convert.load(tmp_path, network=network)
    jax.tree.map(np.testing.assert_array_equal, generator.params, variables)
    assert (generator.resolution, generator.latent_dim, generator.num_layers) == (2, DIM, 0)
    assert generator.flavour == type(network).__name__
    z = np.random.default_rng(1).standard_normal((3, DIM)).astype(np.float32)
    expected = jax.jit(network.apply)(variables, z)
    expected = np.broadcast_to(expected, (3, 2, 2, 3))  # grey images get three channels
    # Float32, in an order of sums that is the compiler's.
    images = generator.images(generator.codes(z))
    np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-5)


def test_the_style_is_the_kernel_of_the_first_layer(tmp_path):
    kernel = written(tmp_path, Dense())["params"]["entry"]["kernel"]
    (style,) = convert.load(tmp_path, network=Dense()).styles
    assert (style.name, style.layer, style.to_rgb) == ("params.entry.kernel", 0, False)
    np.testing.assert_array_equal(style.weight, kernel.T)


def test_the_style_of_a_convolution_has_a_row_per_pixel_and_channel(tmp_path):
    layer = written(tmp_path, Transposed())["params"]["Block_0"]["ConvTranspose_0"]
    (style,) = convert.load(tmp_path, network=Transposed()).styles
    assert style.name == "params.Block_0.ConvTranspose_0.kernel"
    rows = np.moveaxis(layer["kernel"], 2, 3).reshape(-1, DIM)  # [h, w, in, out]
    assert sorted(map(tuple, style.weight)) == sorted(map(tuple, rows))


@pytest.mark.parametrize(
    "network", [Skip(), Normalised(), Bare()], ids=lambda x: type(x).__name__
)
def test_without_a_first_layer_there_are_no_directions(network, tmp_path):
    written(tmp_path, network)
    generator = convert.load(tmp_path, network=network)
    assert generator.styles == ()
    with pytest.raises(InputError) as error:
        sefa.directions(generator)
    assert f"{generator.flavour} has no matrix to factorise" in line_of(error)


def test_bfloat16_is_written_as_float32(tmp_path):
    variables = written(tmp_path, Dense(), jnp.bfloat16)
    generator = convert.load(tmp_path, network=Dense())
    jax.tree.map(np.testing.assert_array_equal, generator.params, variables)


@pytest.mark.parametrize(
    ("saved", "network", "words"),
    [
        (Dense(), None, "pass the generator, as in jaxgan.load(path, network=MyGenerator())"),
        (Dense(), Dense, "pass the generator"),  # the class, not a network of it
        (Dense(), Dense(27, (3, 3, 3)), "looks like a Dense, but its params.Dense_0.bias has "),
        (Dense(), Skip(), "looks like a Skip, but its params.Dense_0."),
        (Dense(), Bare(), "looks like a Bare, but it lacks params.kernel"),
        (
            Dense(2, (2,)),
            Dense(2, (2,)),
            "Dense makes no images: from one latent it makes [1, 2]",
        ),
        (Dense(12, (4, 3)), Dense(12, (4, 3)), "it makes [1, 4, 3], and images are [N, H, H,"),
        (Dense(12, (2, 3, 2)), Dense(12, (2, 3, 2)), "it makes [1, 2, 3, 2]"),
    ],
    ids=["none", "class", "size", "layers", "names", "points", "three axes", "two channels"],
)
def test_the_network_must_be_that_of_the_file(saved, network, words, tmp_path):
    written(tmp_path, saved)
    with pytest.raises(InputError) as error:
        convert.load(tmp_path, network=network)
    assert words in line_of(error)


def test_a_network_is_for_own_runs_only(tmp_path):
    own.save(tmp_path / own.FILE, *made())
    with pytest.raises(InputError) as error:
        convert.load(tmp_path, network=Dense())
    assert "is not a run of jaxgan.fit" in line_of(error)
    (tmp_path / "file.pth").write_bytes(b"no matter what")
    with pytest.raises(InputError) as error:
        convert.load(tmp_path / "file.pth", network=Dense())
    assert "is not a run of jaxgan.fit" in line_of(error)


@pytest.mark.parametrize("latent_dim", [0, -1, 2.5, "4", None, 10**6])
def test_settings_that_cannot_be_are_refused(latent_dim, tmp_path):
    own.save(tmp_path / own.FILE, {"model": "own", "latent_dim": latent_dim}, {"params": {}})
    with pytest.raises(InputError) as error:
        convert.load(tmp_path, network=Dense())
    assert "is not a generator that jaxgan wrote" in line_of(error)
