import chex
import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.networks import inception
from jaxgan.networks.inception import Inception, MixedA, MixedB, MixedC, MixedD, MixedE
from tests.quick import normal

CASES = {  # by block: the module, channels in and out, pixels in and out
    "Mixed_5b": (MixedA(32), 192, 256, (6, 5), (6, 5)),
    "Mixed_5d": (MixedA(64), 288, 288, (1, 4), (1, 4)),
    "Mixed_6a": (MixedB(), 288, 768, (7, 8), (3, 3)),
    "Mixed_6b": (MixedC(128), 768, 768, (9, 4), (9, 4)),
    "Mixed_6e": (MixedC(192), 768, 768, (3, 8), (3, 8)),
    "Mixed_7a": (MixedD(), 768, 1280, (5, 8), (2, 3)),
    "Mixed_7b": (MixedE(largest=False), 1280, 2048, (4, 5), (4, 5)),
    "Mixed_7c": (MixedE(largest=True), 2048, 2048, (4, 5), (4, 5)),
}


def drawn(module, x):
    """Parameters that keep the size of what they are applied to."""
    draw = np.random.default_rng(0)

    def leaf(path, like):
        fan_in = np.prod(like.shape[:3])
        size = 0.3 if path[-1].key == "bias" else np.sqrt(2 / fan_in)
        return np.float32(size) * draw.standard_normal(like.shape, np.float32)

    tree = jax.eval_shape(module.init, jax.random.key(0), x)["params"]
    return jax.tree.map_with_path(leaf, tree)


class Twin:
    """The blocks in torch, ``[B, C, H, W]``, written from the parts of each."""

    def __init__(self, torch):
        self.torch, self.f = torch, torch.nn.functional

    def tensor(self, x):
        return self.torch.tensor(np.array(x)).permute(0, 3, 1, 2).contiguous()

    def unit(self, x, params, stride=1, padding=(0, 0)):
        w = self.torch.tensor(np.array(params["kernel"])).permute(3, 2, 0, 1).contiguous()
        bias = self.torch.tensor(np.array(params["bias"]).ravel())
        return self.f.relu(self.f.conv2d(x, w, bias, stride, padding))

    def run(self, x, params, *names):
        """Units one after the other that keep the size."""
        for name in names:
            high, wide = params[name]["kernel"].shape[:2]
            x = self.unit(x, params[name], 1, (high // 2, wide // 2))
        return x

    def average(self, x):
        return self.f.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def block(self, name, x, p):
        parts = {
            "5": lambda: (
                self.run(x, p, "branch1x1"),
                self.run(x, p, "branch5x5_1", "branch5x5_2"),
                self.run(x, p, *(f"branch3x3dbl_{i}" for i in (1, 2, 3))),
                self.run(self.average(x), p, "branch_pool"),
            ),
            "6a": lambda: (
                self.unit(x, p["branch3x3"], 2),
                self.unit(
                    self.run(x, p, "branch3x3dbl_1", "branch3x3dbl_2"), p["branch3x3dbl_3"], 2
                ),
                self.f.max_pool2d(x, 3, 2),
            ),
            "6": lambda: (
                self.run(x, p, "branch1x1"),
                self.run(x, p, *(f"branch7x7_{i}" for i in (1, 2, 3))),
                self.run(x, p, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
                self.run(self.average(x), p, "branch_pool"),
            ),
            "7a": lambda: (
                self.unit(self.run(x, p, "branch3x3_1"), p["branch3x3_2"], 2),
                self.unit(
                    self.run(x, p, *(f"branch7x7x3_{i}" for i in (1, 2, 3))),
                    p["branch7x7x3_4"],
                    2,
                ),
                self.f.max_pool2d(x, 3, 2),
            ),
            "7": lambda: (
                self.run(x, p, "branch1x1"),
                self.run(x, p, "branch3x3_1", "branch3x3_2a"),
                self.run(x, p, "branch3x3_1", "branch3x3_2b"),
                self.run(x, p, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a"),
                self.run(x, p, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3b"),
                self.run(
                    self.f.max_pool2d(x, 3, 1, 1) if name == "Mixed_7c" else self.average(x),
                    p,
                    "branch_pool",
                ),
            ),
        }
        kind = name.removeprefix("Mixed_")
        return self.torch.cat(parts[kind if kind in parts else kind[0]](), 1)

    def network(self, x, p):
        x = self.unit(x, p["Conv2d_1a_3x3"], 2)
        x = self.unit(x, p["Conv2d_2a_3x3"])
        x = self.f.max_pool2d(self.unit(x, p["Conv2d_2b_3x3"], 1, 1), 3, 2)
        x = self.unit(self.unit(x, p["Conv2d_3b_1x1"]), p["Conv2d_4a_3x3"])
        x = self.f.max_pool2d(x, 3, 2)
        for name in sorted(name for name in p if name.startswith("Mixed")):
            x = self.block(name, x, p[name])
        return x.mean((2, 3))


@pytest.fixture
def twin():
    return Twin(pytest.importorskip("torch", reason="needs torch as an oracle"))


def close(mine, theirs):
    """To 1e-5 of the largest entry: sums of up to 10,000 products in another order."""
    theirs = theirs.numpy()
    np.testing.assert_allclose(np.array(mine), theirs, rtol=0, atol=1e-5 * theirs.max())


@pytest.mark.parametrize("name", CASES)
def test_shapes_of_blocks(name, key):
    module, inputs, outputs, size, small = CASES[name]
    x = np.zeros((2, *size, inputs))
    y, _ = jax.eval_shape(module.init_with_output, key, x)
    assert y.shape == (2, *small, outputs)


def test_shapes_of_the_network(key):
    images = np.zeros((2, 299, 299, 3))
    y, variables = jax.eval_shape(Inception().init_with_output, key, images)
    assert y.shape == (2, inception.FEATURES)
    assert list(variables) == ["params"]
    leaves = jax.tree.leaves(variables)
    assert len(leaves) == 2 * 94  # convolutions of Inception-v3, classifiers apart
    kernels = sum(leaf.size for leaf in leaves if leaf.shape[:3] != (1, 1, 1))
    biases = sum(leaf.size for leaf in leaves if leaf.shape[:3] == (1, 1, 1))
    # 23,834,568 weights that torchvision counts without the auxiliary classifier, less
    # its 1,000 classes and the second number per channel of its batch norms.
    assert kernels + 2 * biases == 23_834_568 - 1000 * 2049


def test_long_kernels_lie_as_in_the_published_weights(key):
    """Compare with heights and widths in the files, since the twin accepts any."""
    seven = {"branch7x7_2": (1, 7), "branch7x7_3": (7, 1), "branch7x7dbl_2": (7, 1)}
    seven |= {"branch7x7dbl_3": (1, 7), "branch7x7dbl_4": (7, 1), "branch7x7dbl_5": (1, 7)}
    three = {"branch3x3_2a": (1, 3), "branch3x3_2b": (3, 1)}
    three |= {"branch3x3dbl_3a": (1, 3), "branch3x3dbl_3b": (3, 1)}
    last = {"branch7x7x3_2": (1, 7), "branch7x7x3_3": (7, 1)}
    params = jax.eval_shape(Inception().init, key, np.zeros((1, 75, 75, 3)))["params"]
    for blocks, expected in ((("6b", "6c", "6d", "6e"), seven), (("7b", "7c"), three)):
        for block in blocks:
            found = {n: params[f"Mixed_{block}"][n]["kernel"].shape[:2] for n in expected}
            assert found == expected
    assert {n: params["Mixed_7a"][n]["kernel"].shape[:2] for n in last} == last


@pytest.mark.parametrize("name", CASES)
def test_blocks_follow_a_torch_twin(name, twin):
    module, inputs, _, size, _ = CASES[name]
    x = normal(2, *size, inputs).clip(0)
    params = drawn(module, x)
    y = np.asarray(jax.jit(module.apply)({"params": params}, x))
    close(y.transpose(0, 3, 1, 2), twin.block(name, twin.tensor(x), params))


@pytest.mark.slow
def test_the_network_follows_a_torch_twin(twin):
    x = np.random.default_rng(0).uniform(-1, 1, (2, 139, 107, 3)).astype(np.float32)
    params = drawn(Inception(), x)
    y = jax.jit(Inception().apply)({"params": params}, x)
    assert y.std() > 0.01
    close(y, twin.network(twin.tensor(x), params))


@pytest.mark.parametrize("side", [1, 2, 64, 299, 400])
def test_a_ramp_is_sampled_where_the_convention_says(side):
    ramp = np.tile(
        np.linspace(0, 255, side, dtype=np.float32)[None, :, None, None], (1, 1, 3, 3)
    )
    step = 255 / max(side - 1, 1)
    last = side - 1
    starts = np.arange(299) * side / 299
    centres = (np.arange(299) + 0.5) * side / 299 - 0.5
    for convention, position, zero, unit in (
        ("tensorflow", starts, 128, 128),
        ("pytorch", centres, 127.5, 127.5),
    ):
        resize = jax.jit(lambda x, c=convention: inception.resize_and_scale(x, c))
        x = np.asarray(resize(ramp))
        chex.assert_shape(x, (1, 299, 299, 3))
        expected = (position.clip(0, last) * step - zero) / unit
        # One part in 10^7 of a position of up to 400 pixels.
        np.testing.assert_allclose(x[0, :, 5, 1], expected, atol=2e-5)
        np.testing.assert_allclose(x[0, :, 5, 1], x[0, :, 290, 2], atol=1e-6)


@pytest.mark.parametrize("size", [(64, 48), (109, 89), (299, 300), (301, 640)])
def test_preparation_follows_torch(size, twin):
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    x = twin.tensor(images).double()
    pytorch = twin.f.interpolate(x / 255, (299, 299), mode="bilinear") * 2 - 1
    # Samples of the other convention are those of a grid whose ends are its first and
    # last positions; a row repeated at the far border stands for the clamping there.
    high, wide = size
    x = twin.f.pad(x, (0, 1, 0, 1), mode="replicate")
    rows, columns = (
        2 * twin.torch.arange(299, dtype=twin.torch.float64) / 299 - 1 for _ in range(2)
    )
    grid = twin.torch.stack(twin.torch.meshgrid(columns, rows, indexing="xy"), -1)
    sampled = twin.f.grid_sample(x, grid[None].repeat(2, 1, 1, 1), align_corners=True)
    for convention, theirs in (
        ("tensorflow", (sampled - 128) / 128),
        ("pytorch", pytorch),
    ):
        resize = jax.jit(lambda x, c=convention: inception.resize_and_scale(x, c))
        mine = np.asarray(resize(images)).transpose(0, 3, 1, 2)
        # Weights and two sums in float32, of values up to 255 / 128.
        np.testing.assert_allclose(mine, theirs.numpy(), atol=2e-6)


@pytest.mark.parametrize("size", [(28, 28), (1, 3), (64, 48), (299, 300), (512, 1000)])
def test_clean_preparation_follows_pillow(size):
    """clean-fid resizes each channel as floats by Pillow, and cuts off what is beyond."""
    image = np.random.default_rng(0).choice(np.uint8([0, 9, 255]), (*size, 3))
    channels = [Image.fromarray(image[..., i].astype(np.float32)) for i in range(3)]
    resized = [x.resize((299, 299), Image.Resampling.BICUBIC) for x in channels]
    theirs = np.stack(resized, axis=-1).clip(0, 255) / 128 - 1
    resize = jax.jit(lambda x: inception.resize_and_scale(x, "clean"))
    # Weights and two sums in float32, of values up to 255 / 128.
    np.testing.assert_allclose(resize(image[None])[0], theirs, atol=2e-6)


@pytest.mark.parametrize("convention", inception.CONVENTIONS)
def test_images_of_the_size_of_the_network_are_not_resized(convention):
    image = np.random.default_rng(0).integers(0, 256, (1, 299, 299, 3), np.uint8)
    zero = 127.5 if convention == "pytorch" else 128
    expected = (image.astype(np.float32) - np.float32(zero)) / np.float32(zero)
    scaled = np.asarray(inception.resize_and_scale(image, convention))
    np.testing.assert_allclose(scaled, expected, atol=1e-7)  # rounding of the division


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="choose from tensorflow, pytorch, clean"):
        inception.resize_and_scale(np.zeros((1, 4, 4, 3)), "caffe")


@pytest.mark.slow
def test_batches_do_not_matter():
    params = drawn(Inception(), np.zeros((1, 75, 75, 3)))
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    one, two = (inception.extractor(params, count) for count in (1, 2))
    found = two(images)
    assert found.shape == (3, 2048)
    assert found.dtype == np.float32
    assert np.ptp(found, axis=0).max() > 0.01
    # Other batches sum in another order.
    np.testing.assert_allclose(one(images), found, rtol=0, atol=1e-5 * found.max())
    assert two(images[:0]).shape == (0, 2048)
    other = inception.extractor(params, 1, "pytorch")(images[:1])
    assert np.abs(other - found[:1]).max() > 1e-3
    for wrong in (images[..., :1], images[0], images.astype(np.float32)):
        with pytest.raises(ValueError, match=r"images must be uint8 \[N, H, W, 3\]"):
            two(wrong)


def test_parameters_of_another_network_are_refused():
    tree = jax.eval_shape(Inception().init, jax.random.key(0), np.zeros((1, 75, 75, 3)))
    params = jax.tree.map(lambda leaf: np.broadcast_to(np.float32(0), leaf.shape), tree)
    params = params["params"]
    narrow = {"kernel": np.zeros((1, 1, 64, 79)), "bias": np.zeros((1, 1, 1, 79))}
    with pytest.raises(InputError, match=r"a Conv2d_3b_1x1.bias of shape \(1, 1, 1, 79\), not"):
        inception.extractor(params | {"Conv2d_3b_1x1": narrow})
    del params["Mixed_7c"]["branch_pool"]
    with pytest.raises(InputError, match="lack Mixed_7c.branch_pool"):
        inception.extractor(params)
    with pytest.raises(InputError, match="unknown convention 'caffe'"):
        inception.extractor(params, convention="caffe")
