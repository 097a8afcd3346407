"""The DCGAN of PyTorch's tutorial, and files that are taken for it or are not."""

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert.flavours import dcgan
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.errors import InputError
from tests.generators import line_of

LATENTS = 5


def state_of(size=32, width=2, channels=3, latents=LATENTS, seed=0):
    """A generator's arrays of random numbers, as its state dict names them."""
    rng = np.random.default_rng(seed)
    stages = size.bit_length() - 2
    counts = [latents, *(width * 2**i for i in reversed(range(stages - 1))), channels]
    state = {}
    for i, (inputs, outputs) in enumerate(zip(counts, counts[1:], strict=False)):
        kernel = rng.standard_normal((inputs, outputs, 4, 4)) / np.sqrt(inputs)
        state[f"main.{3 * i}.weight"] = kernel
        if i < stages - 1:
            norm = f"main.{3 * i + 1}"
            state[f"{norm}.weight"] = 1 + 0.3 * rng.standard_normal(outputs)
            state[f"{norm}.bias"] = 0.3 * rng.standard_normal(outputs)
            state[f"{norm}.running_mean"] = 0.3 * rng.standard_normal(outputs)
            state[f"{norm}.running_var"] = rng.uniform(0.3, 3, outputs)
    state = {name: array.astype(np.float32) for name, array in state.items()}
    counters = {f"main.{3 * i + 1}.num_batches_tracked": np.array(7) for i in range(stages - 1)}
    return state | counters


def critic_of(width=2):
    """The tutorial's discriminator."""
    shapes = {0: (width, 3, 4, 4), 2: (2 * width, width, 4, 4), 5: (1, 2 * width, 4, 4)}
    state: dict[str, np.ndarray] = {
        f"main.{i}.weight": np.ones(shape, np.float32) for i, shape in shapes.items()
    }
    for name in ("weight", "bias", "running_mean", "running_var"):
        state[f"main.3.{name}"] = np.ones(2 * width, np.float32)
    return state


def find(state):
    found = dcgan.find(Checkpoint("file", None, state))
    assert found is not None
    return found


def torch_generator(torch, state):
    """The tutorial's own module, with those weights."""
    nn = torch.nn
    names = [name for name in state if name.endswith("weight") and state[name].ndim == 4]
    layers = []
    for i, name in enumerate(names):
        inputs, outputs = state[name].shape[:2]
        stride, padding = (2, 1) if i else (1, 0)
        layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False))
        last = i == len(names) - 1
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(outputs), nn.ReLU(True)]

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.main = nn.Sequential(*layers)

        def forward(self, z):
            return self.main(z)

    generator = Generator()
    generator.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return generator.eval()


@pytest.mark.parametrize(
    ("kind", "size", "channels", "latents"),
    [
        ("tutorial", 32, 1, 5),
        ("bare", 64, 3, 40),
        ("parallel", 32, 3, 5),
        ("tutorial", 128, 3, 4),
    ],
)
def test_samples_are_those_of_torch(kind, size, channels, latents, tmp_path):
    torch = pytest.importorskip("torch")
    module = torch_generator(torch, state_of(size, channels=channels, latents=latents))
    content = module.state_dict()
    if kind == "parallel":
        content = torch.nn.DataParallel(module).state_dict()
    if kind == "tutorial":
        critic = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 4), torch.nn.BatchNorm2d(2))
        optimizer = torch.optim.Adam(module.parameters())
        content = {
            "epoch": 3,
            "netD_state_dict": critic.state_dict(),
            "netG_state_dict": content,
            "optimizerG_state_dict": optimizer.state_dict(),
            "G_losses": [0.5, 0.25],
        }
    torch.save(content, tmp_path / "weights.tar")
    found = convert.load(tmp_path / "weights.tar")
    assert (found.flavour, found.resolution, found.num_layers) == ("DCGAN", size, 0)
    assert (found.latent_dim, found.average) == (latents, None)
    z = np.random.default_rng(1).standard_normal((3, latents)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.tensor(z)[:, :, None, None]).permute(0, 2, 3, 1).numpy()
    codes = found.codes(z)
    np.testing.assert_array_equal(codes, z)
    images = np.asarray(found.images(codes))
    assert images.shape == (3, size, size, 3)
    assert expected.std() > 0.1
    # Float32 through at most six layers, in another order: of values up to 1, some 1e-6.
    np.testing.assert_allclose(images, np.broadcast_to(expected, images.shape), atol=2e-5)


@pytest.mark.parametrize("latents", [3, 4, 40])
def test_the_style_is_what_a_latent_enters_by(latents):
    state = state_of(latents=latents)
    (style,) = find(state).styles
    kernel = state["main.0.weight"]
    assert (style.name, style.layer, style.to_rgb) == ("main.0.weight", 0, False)
    assert style.weight.shape == (16 * kernel.shape[1], latents)
    z = np.random.default_rng(1).standard_normal(latents).astype(np.float32)
    # All that the first layer makes of a latent, in any order of the units.
    made = np.einsum("d,dohw->ohw", z, kernel).ravel()
    np.testing.assert_allclose(np.sort(style.weight @ z), np.sort(made), atol=1e-5)


@pytest.mark.parametrize("prefix", ["netG_state_dict.", "netG.", "generator.", "module.", ""])
def test_the_generator_is_told_from_what_is_beside_it(prefix):
    state = {prefix + name: array for name, array in state_of().items()}
    others = {f"netD.{name}": array for name, array in critic_of().items()} if prefix else {}
    found = find(others | state)
    np.testing.assert_array_equal(found.styles[0].weight, find(state_of()).styles[0].weight)


def test_the_averaged_generator_is_taken():
    both = {f"netG_state_dict.{name}": array for name, array in state_of(seed=1).items()}
    both |= {f"ema.{name}": array for name, array in state_of().items()}
    np.testing.assert_array_equal(
        find(both).styles[0].weight, find(state_of()).styles[0].weight
    )


def test_counters_may_be_missing():
    state = {name: a for name, a in state_of().items() if "num_batches" not in name}
    np.testing.assert_array_equal(
        find(state).styles[0].weight, find(state_of()).styles[0].weight
    )


def refusal(state):
    with pytest.raises(InputError) as error:
        find(state)
    line = line_of(error)
    assert line.startswith("file looks like a DCGAN, but ")
    return line


NAMES = [name for name in state_of() if "num_batches" not in name]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_array_is_named(name):
    state = state_of()
    del state[name]
    assert f"it lacks {name}" in refusal(state)


def test_hardly_anything_of_a_dcgan():
    names = ("main.1.running_mean", "main.1.running_var")
    assert "it lacks main.0.weight" in refusal({name: state_of()[name] for name in names})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["a column more", "an axis less", "empty"])
def test_a_misshapen_array_is_named(name, damage):
    state = state_of()
    array = state[name]
    if damage == "a column more":
        # Its last axis; the others may be what another size of network has.
        array = np.concatenate([array, array[..., -1:]], axis=-1)
    state[name] = {"an axis less": array[0], "empty": array[..., :0]}.get(damage, array)
    assert f"its {name} has shape {list(state[name].shape)}, not [" in refusal(state)


@pytest.mark.parametrize("name", NAMES[::5])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda array: array.astype(np.int32), "is int32, not floating point"),
        (lambda array: np.where(array == array.max(), np.nan, array), "is not finite"),
    ],
)
def test_numbers_that_are_none_are_named(name, change, words):
    state = state_of()
    state[name] = change(state[name])
    assert f"its {name} {words}" in refusal(state)


def test_a_bias_of_another_length():
    line = refusal(state_of() | {"main.0.bias": np.zeros(3, np.float32)})
    assert "its main.0.bias has shape [3], not [8]" in line


@pytest.mark.parametrize("name", ["main.2.weight", "main.99", "extra", "a\nb"])
def test_an_array_that_nothing_takes_is_named(name):
    line = refusal(state_of() | {name: np.zeros(3, np.float32)})
    assert name.replace("\n", "\\n") in line
    assert "which that network lacks" in line


def test_channels_that_are_no_colours():
    line = refusal(state_of(channels=5))
    assert "its main.9.weight makes 5 channels, not 1, 3 or 4" in line


def test_a_negative_variance():
    state = state_of()
    state["main.4.running_var"][0] = -1
    assert "its main.4.running_var is negative" in refusal(state)


def test_sizes_that_are_not_usual():
    line = refusal(state_of(1024, width=1))
    assert "make images of 1024, " in line
    assert "give the settings strides and paddings" in line


def test_fewer_convolutions_than_16_pixels_need():
    assert "it has 2 convolutions; 3 to 16 are supported" in refusal(state_of(8))


def test_more_convolutions_than_any_network_has():
    kernel = np.ones((3, 3, 4, 4), np.float32)
    state = state_of(16) | {f"main.{3 * i}.weight": kernel for i in range(3, 17)}
    assert "it has 17 convolutions; 3 to 16 are supported" in refusal(state)


def test_vectors_after_the_image():
    more = {f"main.{3 * i}.weight": np.ones(1, np.float32) for i in range(4, 20_000)}
    assert "it has main.15.weight, which that network lacks" in refusal(state_of() | more)


@pytest.mark.parametrize("name", ["", "x" * 300, "x" * 300 + ".npz", "a.pth", "a.npz", "a/b"])
def test_paths_that_lead_nowhere(name, tmp_path):
    with pytest.raises(InputError) as error:
        convert.load(f"{tmp_path}/{name}")
    line = line_of(error)
    assert line.startswith(str(tmp_path))
    words = {"": "is a folder without a generator.npz"}
    words |= dict.fromkeys(("a.pth", "a.npz", "a/b"), "does not exist")
    assert words.get(name, "File name too long") in line
