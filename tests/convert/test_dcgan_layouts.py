"""DCGANs under other names, with other layers and sizes, against PyTorch."""

from pathlib import Path

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert.flavours import dcgan
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError
from jaxgan.networks.upsampler import Upsampler
from tests.generators import line_of
from tests.networks.torch_layers import run_layers

FILES = Path(__file__).parents[1] / "data" / "checkpoints"
LATENTS = 5
CLOSE = 2e-5  # of the largest value: the rounding of float32 through some layers


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return torch


@pytest.fixture
def read(monkeypatch):
    """Opens a generator: returns it, and its layers."""

    def read(value, arrays=None, **settings):
        seen = []

        def network(layers):
            seen.append(layers)
            return Upsampler(layers)

        monkeypatch.setattr(dcgan, "Upsampler", network)
        arrays = value if arrays is None else arrays
        found = dcgan.find(Checkpoint("file", value, arrays, settings=Settings(settings)))
        assert found is not None
        return found, seen[0]

    return read


def trained(torch, module):
    """The module with other numbers in its vectors than those of its start."""
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dtype.is_floating_point and not name.endswith(("_u", "_v")):
            with torch.no_grad():
                if value.ndim == 1:
                    value.uniform_(0.5, 1.5)
                    value.mul_(1 if "var" in name else torch.sign(torch.randn_like(value)))
                else:
                    value.mul_(2)
    return module.eval()


def spread(torch, *layers, norm="batch", activation=None, bias=False, wrap=lambda x: x):
    """A list of stages, each ``(channels, kernel, stride, padding[, extra])``."""
    nn, made, inputs = torch.nn, [], LATENTS
    norms = {
        "batch": nn.BatchNorm2d,
        "instance": lambda c: nn.InstanceNorm2d(c, affine=True),
        "bare": nn.InstanceNorm2d,
        "tracked": lambda c: nn.InstanceNorm2d(c, affine=True, track_running_stats=True),
    }
    for channels, kernel, stride, padding, *extra in layers:
        conv = nn.ConvTranspose2d(inputs, channels, kernel, stride, padding, *extra, bias=bias)
        stage = [wrap(conv)]
        if len(made) < len(layers) - 1:
            stage += [norms[norm](channels)] if norm else []
            stage += [activation or nn.ReLU()]
        made.append(stage)
        inputs = channels
    return made


SIXTEEN = ((6, 4, 1, 0), (4, 4, 2, 1), (3, 4, 2, 1))
EIGHTS = tuple((6, 4, 2 if i else 1, 1 if i else 0) for i in range(4))


def flat(torch, stages, end=None):
    layers = [layer for stage in stages for layer in stage]
    return torch.nn.Sequential(*layers, end or torch.nn.Tanh())


class Plans:
    """Networks by name: each a function of torch that returns module and settings."""

    @staticmethod
    def bare(torch):
        return flat(torch, spread(torch, *SIXTEEN)), {}

    @staticmethod
    def inside_a_model(torch):
        return torch.nn.ModuleDict({"model": flat(torch, spread(torch, *SIXTEEN))}), {}

    @staticmethod
    def nested(torch):
        stages = spread(torch, *SIXTEEN, bias=True)
        blocks = [torch.nn.Sequential(*stage) for stage in stages[:-1]]
        return flat(torch, [blocks, stages[-1]]), {}

    @staticmethod
    def named(torch):
        stages = spread(torch, *SIXTEEN, (4, 3, 1, 1))
        names = ["initial:5-6:convt", "initial:6:batchnorm", "initial:6:relu"]
        names += ["pyramid:6-4:convt", "pyramid:4:batchnorm", "pyramid:4:relu"]
        names += ["pyramid:4-3:convt", "pyramid:3:batchnorm", "pyramid:3:relu", "final:convt"]
        layers = [layer for stage in stages for layer in stage]
        main = torch.nn.Sequential()
        for name, layer in zip([*names, "final:tanh"], [*layers, torch.nn.Tanh()], strict=True):
            main.add_module(name, layer)
        return torch.nn.ModuleDict({"main": main}), {}

    @staticmethod
    def attributes_in_two_blocks(torch):
        (a, b, _), (c, d, _), (e,) = spread(torch, *SIXTEEN)
        names = {"tconv1": a, "tconv2": c, "tconv3": e, "bn1": b, "bn2": d}

        class Generator(torch.nn.Module):
            def __init__(self):
                super().__init__()
                for name, layer in names.items():
                    setattr(self, name, layer)

            def forward(self, z):
                x = torch.relu(self.bn1(self.tconv1(z)))
                return torch.tanh(self.tconv3(torch.relu(self.bn2(self.tconv2(x)))))

        return Generator(), {}

    @staticmethod
    def dropout_and_equal_widths(torch):
        stages = spread(torch, *EIGHTS[:3], (3, 4, 2, 1))
        for stage in stages[:-1]:
            stage.append(torch.nn.Dropout(0.3))
        return flat(torch, stages), {}

    @staticmethod
    def more_than_ten_layers(torch):
        return flat(torch, spread(torch, *EIGHTS, (6, 4, 2, 1), (1, 4, 2, 1))), {}

    @staticmethod
    def four_channels(torch):
        return flat(torch, spread(torch, *SIXTEEN[:2], (4, 4, 2, 1), bias=True)), {}

    @staticmethod
    def spectral_old(torch):
        wrap = torch.nn.utils.spectral_norm
        module = flat(torch, spread(torch, *SIXTEEN, wrap=wrap, bias=True))
        module(torch.ones(2, LATENTS, 1, 1))  # improves its vectors
        return module, {}

    @staticmethod
    def spectral_new(torch):
        wrap = torch.nn.utils.parametrizations.spectral_norm
        return flat(torch, spread(torch, *SIXTEEN, wrap=wrap)), {}

    @staticmethod
    def weight_norm_old(torch):
        wrap = torch.nn.utils.weight_norm
        return flat(torch, spread(torch, *SIXTEEN, wrap=wrap, norm="")), {}

    @staticmethod
    def weight_norm_new(torch):
        wrap = torch.nn.utils.parametrizations.weight_norm
        return flat(torch, spread(torch, *SIXTEEN, wrap=wrap, norm="")), {}

    @staticmethod
    def instance_with_factors(torch):
        return flat(torch, spread(torch, *SIXTEEN, norm="instance")), {}

    @staticmethod
    def instance_with_statistics(torch):
        return flat(torch, spread(torch, *SIXTEEN, norm="tracked")), {}

    @staticmethod
    def instance_without_arrays(torch):
        return flat(torch, spread(torch, *SIXTEEN, norm="bare")), {"norm": "instance"}

    @staticmethod
    def leaky(torch):
        module = flat(torch, spread(torch, *SIXTEEN, activation=torch.nn.LeakyReLU(0.3)))
        return module, {"activation": "leaky_relu", "slope": 0.3}

    @staticmethod
    def elu_and_sigmoid(torch):
        stages = spread(torch, *SIXTEEN, activation=torch.nn.ELU(0.7))
        settings = {"activation": "elu", "slope": 0.7, "final_activation": "sigmoid"}
        return flat(torch, stages, torch.nn.Sigmoid()), settings

    @staticmethod
    def selu_and_no_norm(torch):
        stages = spread(torch, *SIXTEEN, activation=torch.nn.SELU(), norm="")
        return flat(torch, stages), {"activation": "selu"}

    @staticmethod
    def prelu(torch):
        stages = spread(torch, *SIXTEEN)
        for stage, count in zip(stages, (6, 1), strict=False):
            stage[-1] = torch.nn.PReLU(count)
        return flat(torch, stages), {}

    @staticmethod
    def norm_after_the_activation(torch):
        stages = spread(torch, *SIXTEEN)
        return flat(torch, [[s[0], s[2], s[1]] if s[1:] else s for s in stages]), {}

    @staticmethod
    def mnist_of_the_specialisation(torch):
        layers = ((6, 3, 2, 0), (4, 4, 1, 0), (3, 3, 2, 0), (1, 4, 2, 0))
        stages = spread(torch, *layers, bias=True)
        blocks = [torch.nn.Sequential(*stage) for stage in stages[:-1]]
        blocks.append(torch.nn.Sequential(stages[-1][0], torch.nn.Tanh()))
        return torch.nn.ModuleDict({"gen": torch.nn.Sequential(*blocks)}), {}

    @staticmethod
    def faces_of_the_specialisation(torch):
        layers = [(c, 3, 2, 0) for c in (6, 5, 4, 3)] + [(3, 4, 2, 0)]
        return flat(torch, spread(torch, *layers, bias=True)), {}

    @staticmethod
    def mnist_by_a_kernel_of_seven(torch):
        return flat(torch, spread(torch, (6, 7, 1, 0), (4, 4, 2, 1), (1, 4, 2, 1))), {}

    @staticmethod
    def mnist_by_a_kernel_of_three(torch):
        layers = ((6, 4, 1, 0), (5, 3, 2, 1), (4, 4, 2, 1), (1, 4, 2, 1))
        return flat(torch, spread(torch, *layers)), {}

    @staticmethod
    def mnist_without_a_rim(torch):
        return flat(torch, spread(torch, *EIGHTS, (1, 1, 1, 2))), {}

    @staticmethod
    def mnist_by_settings(torch):
        layers = ((6, 4, 1, 0), (5, 4, 2, 1), (4, 4, 2, 2), (1, 4, 2, 1))
        settings = {"strides": "1/2/2/2", "paddings": "0/1/2/1", "image_size": 28}
        return flat(torch, spread(torch, *layers)), settings

    @staticmethod
    def a_last_kernel_of_three(torch):
        return flat(torch, spread(torch, *SIXTEEN, (3, 3, 1, 1))), {}

    @staticmethod
    def dense_first(torch):
        nn = torch.nn
        (_, *a), *stages = spread(torch, (6, 4, 1, 0), (4, 5, 2, 2, 1), (3, 5, 2, 2, 1))
        first = [nn.Linear(LATENTS, 96), nn.Unflatten(1, (6, 4, 4))]
        return flat(torch, [first + a, *stages]), {}

    @staticmethod
    def dense_with_its_own_norm(torch):
        nn = torch.nn
        first = [nn.Linear(LATENTS, 7), nn.BatchNorm1d(7), nn.ReLU()]
        first += [nn.Linear(7, 49 * 4, bias=False), nn.BatchNorm1d(49 * 4), nn.ReLU()]
        _, *stages = spread(torch, (4, 7, 1, 0), (3, 4, 2, 1), (1, 4, 2, 1))
        return flat(torch, [[*first, nn.Unflatten(1, (4, 7, 7))], *stages]), {}

    @staticmethod
    def dense_and_five_taps_for_mnist(torch):
        nn = torch.nn
        first = [nn.Linear(LATENTS, 49 * 4), nn.Unflatten(1, (4, 7, 7))]
        layers = ((4, 7, 1, 0), (4, 5, 1, 2), (3, 5, 2, 2, 1), (1, 5, 2, 2, 1))
        (_, *a), *stages = spread(torch, *layers)
        return flat(torch, [first + a, *stages]), {}

    @staticmethod
    def enlarged(torch):
        """The DCGAN of PyTorch-GAN."""
        nn = torch.nn

        class Generator(nn.Module):
            def __init__(self):
                super().__init__()
                self.l1 = nn.Sequential(nn.Linear(LATENTS, 6 * 16))
                self.conv_blocks = nn.Sequential(
                    nn.BatchNorm2d(6),
                    nn.Upsample(scale_factor=2),
                    nn.Conv2d(6, 6, 3, stride=1, padding=1),
                    nn.BatchNorm2d(6, 0.8),
                    nn.LeakyReLU(0.2),
                    nn.Upsample(scale_factor=2),
                    nn.Conv2d(6, 5, 3, stride=1, padding=1),
                    nn.BatchNorm2d(5, 0.8),
                    nn.LeakyReLU(0.2),
                    nn.Conv2d(5, 3, 3, stride=1, padding=1),
                    nn.Tanh(),
                )

            def forward(self, z):
                return self.conv_blocks(self.l1(z.flatten(1)).view(-1, 6, 4, 4))

        return Generator(), {}

    @staticmethod
    def enlarged_first(torch):
        nn, stages, inputs = torch.nn, [], 6
        for channels in (6, 5, 7):
            stages += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, channels, 3, 1, 1)]
            stages += [nn.BatchNorm2d(channels), nn.ReLU()]
            inputs = channels

        class Generator(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(LATENTS, 6 * 16)
                self.net = nn.Sequential(*stages, nn.Conv2d(7, 3, 3, 1, 1), nn.Tanh())

            def forward(self, z):
                return self.net(self.fc(z).view(-1, 6, 4, 4))

        return Generator(), {}

    @staticmethod
    def enlarged_after_a_norm(torch):
        nn, stages = torch.nn, []
        for channels in (6, 6):
            stages += [nn.Upsample(scale_factor=2), nn.Conv2d(6, channels, 3, 1, 1)]
            stages += [nn.BatchNorm2d(channels), nn.ReLU()]

        class Generator(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc, self.norm = nn.Linear(LATENTS, 6 * 16), nn.BatchNorm2d(6)
                stages.append(nn.Upsample(scale_factor=2))
                self.body = nn.Sequential(*stages, nn.Conv2d(6, 3, 3, 1, 1), nn.Tanh())

            def forward(self, z):
                return self.body(self.norm(self.fc(z).view(-1, 6, 4, 4)))

        return Generator(), {}

    @staticmethod
    def activation_before_the_norm_in_blocks(torch):
        stages = spread(torch, *SIXTEEN)
        blocks = [torch.nn.Sequential(s[0], s[2], s[1]) for s in stages[:-1]]
        return flat(torch, [blocks, stages[-1]]), {}

    @staticmethod
    def activation_before_the_norm_and_dropout(torch):
        stages = spread(torch, *SIXTEEN)
        dropout = torch.nn.Dropout(0.3)
        return flat(torch, [[s[0], s[2], s[1], dropout] if s[1:] else s for s in stages]), {}

    @staticmethod
    def a_refining_convolution(torch):
        first, second, last = spread(torch, *SIXTEEN)
        nn = torch.nn
        more = [nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]
        return flat(torch, [first, second, more, last]), {}

    @staticmethod
    def dense_pixels(torch):
        _, *stages = spread(torch, (4, 1, 1, 0), *SIXTEEN)
        dense = [torch.nn.Linear(LATENTS, 4), torch.nn.ReLU(), torch.nn.Unflatten(1, (4, 1, 1))]
        return flat(torch, [dense, *stages]), {}


PLANS = [name for name in vars(Plans) if not name.startswith("_")]


def reference(torch, module, z):
    """Images ``[N, H, W, C]`` of PyTorch."""
    parts = list(module.modules())
    run = next(iter(module.values())) if isinstance(module, torch.nn.ModuleDict) else module
    dense = any(isinstance(part, torch.nn.Linear) for part in parts)
    with torch.no_grad():
        z = torch.tensor(z)
        images = run(z if dense else z[:, :, None, None])
    images = 2 * images - 1 if isinstance(parts[-1], torch.nn.Sigmoid) else images
    return images.permute(0, 2, 3, 1).numpy()


def latents(count=2):
    return np.random.default_rng(1).standard_normal((count, LATENTS)).astype(np.float32)


def check(torch, generator, layers, module):
    z = latents()
    expected = reference(torch, module, z)
    made = run_layers(torch, layers, generator.params, z)
    assert made.shape == expected.shape
    assert (generator.resolution, generator.latent_dim) == (expected.shape[1], LATENTS)
    assert expected.std() > 0.02
    assert abs(made - expected).max() <= CLOSE * abs(expected).max()
    # A row of the style per unit of the first layer, in any order.
    (style,) = generator.styles
    first = {"kernel": generator.params["layer_0"]["kernel"], "bias": np.zeros((1, 1, 1, 1))}
    units = run_layers(torch, layers[:1], {"layer_0": first}, z).reshape(len(z), -1)
    rows = z @ style.weight.T
    np.testing.assert_allclose(np.sort(rows), np.sort(units), atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("plan", PLANS)
def test_layouts(plan, torch, read):
    module, settings = getattr(Plans, plan)(torch)
    module = trained(torch, module)
    state = {name: array.numpy() for name, array in module.state_dict().items()}
    generator, layers = read(state, **settings)
    check(torch, generator, layers, module)


# What a file with modules says, nothing has to assume.


def odd_stack(torch):
    """A stack of which nothing is as usual, and 10 pixels."""
    nn = torch.nn
    return nn.Sequential(
        nn.Sequential(nn.Linear(LATENTS, 24), nn.Unflatten(1, (6, 2, 2)), nn.ELU(0.7)),
        nn.Sequential(
            nn.ConvTranspose2d(6, 6, 3, 2, 1, bias=False),
            nn.BatchNorm2d(6, eps=0.3),
            nn.Dropout2d(),
            nn.LeakyReLU(0.4),
        ),
        nn.InstanceNorm2d(6, eps=0.01),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(6, 5, 3, padding="same"),
        nn.SiLU(),
        nn.ConvTranspose2d(5, 5, 3, 2, 1, 1),
        nn.GELU(),
        nn.Conv2d(5, 3, 3),
        nn.Sigmoid(),
    )


class Custom:
    """Makes a module whose functions are attributes, with norms behind convolutions."""

    def __new__(cls, torch):
        (a, b, _), (c, d, _), (e,) = spread(torch, *SIXTEEN)

        class Generator(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second, self.third = a, c, e
                self.norm1, self.norm2 = b, d
                self.act, self.end = torch.nn.LeakyReLU(0.3), torch.nn.Sigmoid()

            def forward(self, z):
                x = self.act(self.norm1(self.first(z)))
                return self.end(self.third(self.act(self.norm2(self.second(x)))))

        Generator.__qualname__ = "CustomGenerator"
        return Generator()


def save_whole(torch, module, path):
    globals()["CustomGenerator"] = type(module)  # pickle wants to find the class
    torch.save([3, {"netG": module}], path)


@pytest.mark.parametrize("make", [odd_stack, Custom])
def test_whole_modules(make, torch, read, tmp_path):
    module = trained(torch, make(torch))
    path = tmp_path / "whole.pt"
    save_whole(torch, module, path)
    value = torchfile.read(path)
    generator, layers = read(value, torchfile.tensors_of(value, path))
    assert generator.origin == "generator 1.netG"
    check(torch, generator, layers, module)
    # Nothing of it is left to settings.
    with pytest.raises(InputError, match="has no setting activation"):
        convert.load(path, settings={"activation": "relu"})


def test_whole_modules_of_functions(torch, read, tmp_path):
    """Inside a module of its own class, what its code does is assumed."""
    module, _ = Plans.attributes_in_two_blocks(torch)
    type(module).__qualname__ = "CustomGenerator"
    module = trained(torch, module)
    save_whole(torch, module, tmp_path / "whole.pt")
    value = torchfile.read(tmp_path / "whole.pt")
    generator, layers = read(value, torchfile.tensors_of(value, "file"))
    check(torch, generator, layers, module)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript(torch, read, tmp_path):
    """It names classes, but strides and slopes are in its code."""
    layer = torch.nn.LeakyReLU(0.2)
    stages = spread(torch, *SIXTEEN, activation=layer)
    module = trained(torch, flat(torch, stages, torch.nn.Sigmoid()))
    path = tmp_path / "script.pt"
    torch.jit.script(module).save(path)
    value = torchfile.read(path)
    generator, layers = read(value, torchfile.tensors_of(value, path))
    check(torch, generator, layers, module)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frozen_torchscript(torch, read, tmp_path):
    """Its weights are constants of its code, which also names what is between them."""
    module = trained(torch, flat(torch, spread(torch, *SIXTEEN, bias=True)))
    torch.jit.freeze(torch.jit.script(module)).save(tmp_path / "frozen.pt")
    value = torchfile.read(tmp_path / "frozen.pt")
    generator, layers = read(value, torchfile.tensors_of(value, "file"))
    check(torch, generator, layers, module)


def functional(torch):
    """A module whose own code applies a leaky ReLU and a sigmoid."""
    stages = spread(torch, *SIXTEEN)

    class Generator(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (stage[0] for stage in stages)

        def forward(self, z):
            x = torch.nn.functional.leaky_relu(self.a(z), 0.3)
            x = torch.nn.functional.leaky_relu(self.b(x), 0.3)
            return torch.sigmoid(self.c(x))

    return trained(torch, Generator())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind", ["trace", "frozen", pytest.param("export", marks=pytest.mark.slow)]
)
def test_activations_in_the_code(kind, torch, tmp_path):
    module, path = functional(torch), tmp_path / "file.pt"
    example = torch.ones(2, LATENTS, 1, 1)
    if kind == "export":
        torch.export.save(torch.export.export(module, (example,)), path.with_suffix(".pt2"))
        path = path.with_suffix(".pt2")
    else:
        traced = torch.jit.trace(module, example)
        torch.jit.save(torch.jit.freeze(traced) if kind == "frozen" else traced, path)
    generator = convert.load(path)
    assert generator.origin == "the file's only generator"
    z = torch.tensor(latents())
    expected = (2 * module(z[:, :, None, None]) - 1).detach().permute(0, 2, 3, 1).numpy()
    images = np.asarray(generator.images(generator.codes(latents())))
    assert abs(images - expected).max() <= CLOSE * abs(expected).max()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frozen_code_that_is_not_read(torch, tmp_path):
    module = flat(torch, spread(torch, *SIXTEEN, activation=torch.nn.Hardtanh()))
    frozen = torch.jit.freeze(torch.jit.script(module.eval()))
    frozen.save(tmp_path / "frozen.pt")
    with pytest.raises(InputError, match="its 2 is a hardtanh, which is not supported"):
        convert.load(tmp_path / "frozen.pt")


UNREAD = {
    "is a PixelShuffle, which is not supported": lambda nn: nn.PixelShuffle(1),
    "does not say how far it upsamples": lambda nn: nn.Upsample(),  # as a trace has it
    "upsamples in an unsupported way": lambda nn: nn.Upsample(scale_factor=2, mode="bicubic"),
    "approximates a GELU": lambda nn: nn.GELU(approximate="tanh"),
    "is a GroupNorm": lambda nn: nn.GroupNorm(2, 6),
    "has no statistics, which it needs": lambda nn: nn.BatchNorm2d(
        6, track_running_stats=False
    ),
    "has a stride or padding that is not": lambda nn: nn.Conv2d(6, 6, 3, padding=(1, 0)),
    "has a dilation that is not": lambda nn: nn.Conv2d(6, 6, 3, padding=2, dilation=2),
    "has a padding_mode": lambda nn: nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"),
}


@pytest.mark.parametrize("words", UNREAD)
def test_modules_that_are_not_read(words, torch, tmp_path):
    (a, *_), (b, *_), c = spread(torch, (6, 4, 1, 0), (6, 4, 2, 1), (3, 4, 2, 1))
    module = flat(torch, [[a], [b, UNREAD[words](torch.nn)], c])
    torch.save(module, tmp_path / "whole.pt")
    with pytest.raises(InputError) as error:
        convert.load(tmp_path / "whole.pt")
    assert f" looks like a DCGAN, but its 2 {words}" in line_of(error)


# What the arrays do not show.


def plain(*layers, bias=False):
    """Arrays of a stack of transposed convolutions ``(channels, kernel)`` without norms."""
    rng, inputs, state = np.random.default_rng(0), LATENTS, {}
    for i, (channels, kernel) in enumerate(layers):
        weight = rng.standard_normal((inputs, channels, kernel, kernel))
        state[f"{2 * i}.weight"] = weight.astype(np.float32)
        inputs = channels
    return state


FOURS = ((8, 4), (6, 4), (3, 4))
REFUSED = {
    "activation=sine must be one of elu, gelu, ": {"activation": "sine"},
    "final_activation=relu must be tanh, sigmoid or none": {"final_activation": "relu"},
    "strides and paddings belong together": {"strides": "1/2/2"},
    "strides=1/2 must be 3 numbers, strides from 1": {"strides": "1/2", "paddings": "0/1/1"},
    "strides=1/2/0 must be 3 numbers": {"strides": "1/2/0", "paddings": "0/1/1"},
    "paddings=0,1,1 must be numbers joined by": {"strides": "1/2/2", "paddings": "0,1,1"},
    "make images of 16 pixels, not 20": {
        "strides": "1/2/2",
        "paddings": "0/1/1",
        "image_size": 20,
    },
    "make layers of 1, 4, 8, -8 pixels": {"strides": "1/2/2", "paddings": "0/1/13"},
    "make images of 16, 22 pixels, not 20: give the settings": {"image_size": 20},
    "label_size=5 must be less than 5": {"label_size": 5},
}


@pytest.mark.parametrize("words", REFUSED)
def test_settings_that_are_refused(words, read):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        read(plain(*FOURS), **REFUSED[words])


def test_layers_between_that_nothing_tells(read):
    """A norm without arrays, or dropout: the file does not say."""
    state = plain(*FOURS)
    state = {f"{3 * int(n[0]) // 2}.weight": array for n, array in state.items()}
    with pytest.raises(InputError, match="2 layers after its 0 have no arrays.*norm=instance"):
        read(state)
    _, layers = read(state, norm="none")
    assert [layer.kind for layer in layers] == ["transposed", "relu"] * 2 + [
        "transposed",
        "tanh",
    ]
    _, layers = read(state, norm="instance", eps=0.5)
    assert [layer.value for layer in layers if layer.kind == "instance"] == [0.5, 0.5]


def test_what_is_assumed_is_said(read):
    state = plain((8, 4), (7, 3), (6, 4), (1, 4))
    activations = "are assumed (settings activation, final_activation)"
    assert read(state)[0].origin == (
        "the file's only generator; strides 1/2/2/2 and paddings 0/1/1/1 are assumed; "
        f"relu between and tanh at the end {activations}"
    )
    generator, _ = read(state, image_size=32, final_activation="none")
    assert generator.origin.endswith(
        "; strides 1/2/2/2 and paddings 0/1/1/1 and output paddings 0/1/0/0 are assumed; "
        "relu between is assumed (setting activation)"
    )
    given = {"activation": "relu", "final_activation": "tanh"}
    assert read(plain(*FOURS), **given)[0].origin == "the file's only generator"


def test_a_table_of_labels_beside_the_layers(read):
    state = {f"net.{n}": a for n, a in plain(*FOURS).items()}
    state["embed.weight"] = np.ones((10, 2), np.float32)
    assert read(state)[0].origin.endswith(
        "; its embed.weight is ignored: the last 2 latents may be of labels (setting "
        "label_size=2)"
    )
    assert read(state, label_size=2)[0].origin.endswith("; its embed.weight is ignored")


def test_convolutions_that_may_change_the_images(read):
    state = {f"net.{n}": a for n, a in plain(*FOURS).items()}
    state |= ones(refine__0__weight=(8, 3, 3, 3), refine__2__weight=(3, 8, 3, 3))
    generator, _ = read(state)
    assert generator.origin.startswith("generator net; ")
    assert generator.origin.endswith("; its refine, which may change the images, is ignored")


def test_labels_at_the_end_of_a_latent(read):
    state = {n: np.broadcast_to(a, a.shape) for n, a in plain(*FOURS).items()}  # read-only
    generator, _ = read(state, label_size=2)
    assert (generator.z_dim, generator.latent_dim, generator.num_labels) == (3, 5, 2)
    z = latents()[:, :3]
    codes = np.asarray(generator.with_labels(1).codes(z))
    np.testing.assert_array_equal(codes, np.concatenate([z, [[0, 1], [0, 1]]], axis=1))
    (style,) = generator.styles
    whole = read(state)[0].styles[0].weight
    np.testing.assert_array_equal(style.weight, whole * [1, 1, 1, 0, 0])


# Which arrays are a generator.


def test_the_order_of_a_file_without_one(read):
    """Safetensors sorts names as texts."""
    state = plain((6, 4), (6, 4), (6, 4), (6, 4), (6, 4), (1, 4))
    _, layers = read(state)
    _, sorted_layers = read(dict(sorted(state.items())))
    assert layers == sorted_layers


@pytest.mark.parametrize("above", ["", "netG.", "state_dict.G.", "module.", "G.module."])
@pytest.mark.parametrize("inside", ["", "main.", "model.", "layers.seq."])
def test_where_a_generator_may_lie(above, inside, read):
    rest = {"extra.fixed_noise": np.ones((2, 5), np.float32), "extra.epoch": np.array(3)}
    rest |= {f"netD.{name}": array for name, array in critic(4).items()}
    state = {f"{above}{inside}{name}": array for name, array in plain(*FOURS).items()}
    generator, _ = read(state | (rest if above or inside else {}))
    assert generator.styles[0].name.endswith("0.weight")
    assert above.split(".")[-3:][0] in f"{generator.origin} module"


def test_a_generator_by_its_name():
    state = {f"netG.main.{name}": array for name, array in plain(*FOURS).items()}
    assert dcgan.find(Checkpoint("file", state, state, weights="netG")) is not None
    with pytest.raises(InputError, match="no single generator named 'G_ema'"):
        dcgan.find(Checkpoint("file", state, state, weights="G_ema"))


def test_a_dense_layer_of_another_network():
    """It has as many outputs as the generator has small images of its latents."""
    state = {f"netG.{name}": array for name, array in plain(*FOURS).items()}
    others = {f"netD.{name}": array for name, array in critic(3).items()}
    others["netD.fc.weight"] = np.ones((4 * LATENTS, 7), np.float32)
    assert dcgan.find(Checkpoint("file", None, others | state)) is not None


def test_norms_that_are_not_read(read):
    dense = {"fc.weight": np.ones((8 * 16, LATENTS), np.float32)}
    rest = {
        f"up.{i}.weight": np.ones(s, np.float32)
        for i, s in ((0, (8, 6, 4, 4)), (2, (6, 3, 4, 4)))
    }
    for length in (8, 8 * 16):  # a norm over a layer, which has no statistics
        norm = {f"ln.{leaf}": np.ones(length, np.float32) for leaf in ("weight", "bias")}
        with pytest.raises(InputError, match="its ln has no statistics"):
            read(dense | norm | rest)
    with pytest.raises(InputError, match="its act has a slope for each of many numbers"):
        read(dense | {"act.weight": np.ones(8 * 16, np.float32)} | rest)


def test_the_averaged_one_of_two(read):
    both = {f"G.net.{n}": a for n, a in plain(*FOURS).items()}
    both |= {f"G_ema.net.{n}": a + 1 for n, a in plain(*FOURS).items()}
    generator, _ = read(both)
    assert generator.origin.startswith("generator G_ema, averaged over training; ")
    found = dcgan.find(Checkpoint("file", None, both, weights="G"))
    assert found is not None
    assert not np.array_equal(found.styles[0].weight, generator.styles[0].weight)


@pytest.mark.parametrize("name", ["ema.shadow", "ema", "ema_params"])
def test_averaged_parameters_use_the_statistics_beside_them(name, torch, read):
    """A program that averages by hand often leaves out the buffers."""
    module = trained(torch, flat(torch, spread(torch, *SIXTEEN)))
    raw = {f"G.{n}": array.numpy() for n, array in module.state_dict().items()}
    shadow = {n: 2 * p.detach() for n, p in module.named_parameters()}
    content = raw | {f"{name}.{n}": p.numpy() for n, p in shadow.items()}
    generator, layers = read(content)
    assert "its buffers are those of G" in generator.origin
    module.load_state_dict({**module.state_dict(), **shadow})
    check(torch, generator, layers, module)


def critic(depth, channels=3, kernel=4):
    """Arrays of a discriminator."""
    widths = [channels, *(8 * 2**i for i in range(depth)), 1]
    return {
        f"{3 * i}.weight": np.ones((b, a, kernel, kernel), np.float32)
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False))
    }


def ones(**shapes):
    return {name.replace("__", "."): np.ones(s, np.float32) for name, s in shapes.items()}


OTHERS = {
    "a discriminator": critic(4),
    "a grey discriminator": critic(3, channels=1),
    "a discriminator of a course": {f"disc.{n}": a for n, a in critic(3, kernel=3).items()},
    "a dense generator": ones(a__weight=(8, 5), b__weight=(12, 8)),
    "two convolutions": ones(a__weight=(5, 8, 4, 4), b__weight=(8, 3, 4, 4)),
    "an autoencoder": critic(2) | {f"dec.{n}": a for n, a in critic(2).items()},
    "a ResNet": ones(
        conv1__weight=(8, 3, 7, 7),
        bn1__weight=(8,),
        bn1__bias=(8,),
        layer1__conv__weight=(8, 8, 3, 3),
        fc__weight=(10, 8),
    ),
    "a VGG": ones(features__0__weight=(8, 3, 3, 3), features__2__weight=(8, 8, 3, 3)),
    "a residual generator": ones(
        l1__weight=(16 * 8, 5),
        b2__c1__weight=(8, 8, 3, 3),
        b2__c2__weight=(8, 8, 3, 3),
        b2__b1__weight=(8,),
        b2__b1__bias=(8,),
        b2__b2__weight=(8,),
        b2__b2__bias=(8,),
        b2__c_sc__weight=(8, 8, 1, 1),
        c5__weight=(3, 8, 3, 3),
    ),
    "a generator with an embedding": ones(
        label_emb__weight=(10, 5),
        l1__weight=(8 * 16, 5),
        up__0__weight=(8, 6, 4, 4),
        up__2__weight=(6, 3, 4, 4),
    ),
    "two inputs": ones(
        deconv1_1__weight=(5, 8, 4, 4),
        deconv1_2__weight=(10, 8, 4, 4),
        deconv2__weight=(16, 8, 4, 4),
        deconv3__weight=(8, 3, 4, 4),
    ),
    "the state of an optimizer": {f"optimizerG.state.{n}": a for n, a in plain(*FOURS).items()},
    "nothing": {},
    "numbers": {"a": np.array(3), "b": np.zeros((0, 0, 0, 0))},
}


@pytest.mark.parametrize("what", OTHERS)
def test_networks_that_are_no_dcgan(what):
    assert dcgan.find(Checkpoint("file", OTHERS[what], OTHERS[what])) is None


def critic_of_torch(torch, kernel):
    layers = [torch.nn.Conv2d(3, 7, kernel, 2, 1), torch.nn.LeakyReLU(0.2)]
    layers += [torch.nn.Conv2d(7, 8, kernel, 2, 1), torch.nn.BatchNorm2d(8)]
    return torch.nn.Sequential(*layers, torch.nn.LeakyReLU(0.2), torch.nn.Conv2d(8, 1, kernel))


@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("kind", ["arrays", "modules"])
@pytest.mark.parametrize("order", ["GD", "DG"])
def test_a_generator_and_a_discriminator_in_one_module(
    order, kind, kernel, torch, read, tmp_path
):
    """Together, they would fit as one chain from latents to an image of one channel."""
    generator = flat(torch, [torch.nn.Sequential(*s) for s in spread(torch, *SIXTEEN)])
    both = {"G": trained(torch, generator), "D": critic_of_torch(torch, kernel)}
    pair = torch.nn.ModuleDict({name: both[name] for name in order})
    torch.save(pair.state_dict() if kind == "arrays" else pair, tmp_path / "pair.pth")
    value = torchfile.read(tmp_path / "pair.pth")
    found, layers = read(value, torchfile.tensors_of(value, "file"))
    assert found.origin.startswith("generator G")
    check(torch, found, layers, generator)


def test_a_piece_that_ends_in_as_many_channels_as_an_image(read):
    """It is no generator of its own, as nothing beside it takes such images."""
    stack = plain((8, 4), (6, 4), (5, 4), (4, 4), (3, 4))
    names = ("first.0", "up.0", "up.1", "up.2", "last.0")
    state = {f"{n}.weight": a for n, a in zip(names, stack.values(), strict=True)}
    generator, _ = read(state)
    assert (generator.z_dim, generator.resolution) == (LATENTS, 64)


def test_a_spectral_norm_of_nothing(torch):
    module, _ = Plans.spectral_old(torch)
    state = {name: array.numpy() for name, array in module.state_dict().items()}
    state["0.weight_u"] = 0 * state["0.weight_u"]
    with pytest.raises(InputError, match="the norm of its 0.weight_orig is 0"):
        dcgan.find(Checkpoint("file", state, state))


# Files that PyTorch wrote, and what their networks make of some latents.


@pytest.mark.parametrize("what", ["whole", "spectral"])
def test_small_files(what):
    """``odd_stack`` as a module; spectral norm under names of attributes, averaged."""
    generator = convert.load(FILES / f"dcgan_{what}.pth")
    origins = {
        "whole": "the file's only generator",
        "spectral": "generator netG_ema, averaged over training; the file also holds netG; "
        "relu between and tanh at the end are assumed (settings activation, final_activation)",
    }
    assert generator.origin == origins[what]
    with np.load(FILES / "dcgan.npz") as arrays:
        z, expected = arrays["z"], arrays[what]
    images = np.asarray(generator.images(generator.codes(z)))
    assert abs(images - expected).max() <= CLOSE * abs(expected).max()


CASES = (
    *("named_gen", "bias", "spectral_old", "size16", "mnist28", "widths", "gray64"),
    *("bare_sequential", "whole_sequential"),
)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_cases(case, shared, torch):
    path = shared(f"cases/dcgan/{case}.pth")
    generator = convert.load(path)
    weight = "0.weight_orig" if case == "spectral_old" else "0.weight"
    if case in ("bare_sequential", "whole_sequential"):  # without a reference of their own
        module = torch.load(path, weights_only=False)
        if isinstance(module, dict):
            state, module = (
                module,
                torch.load(shared("cases/dcgan/whole_sequential.pth"), weights_only=False),
            )
            module.load_state_dict(state)
        z = torch.randn(4, 16)
        expected = module.eval()(z[:, :, None, None]).detach()
        state = module.state_dict()
    else:
        reference = torch.load(path.with_suffix(".ref"), weights_only=True)
        z, expected = reference["z"], reference["images"]
        state = torch.load(path, weights_only=True)
    images = np.asarray(generator.images(generator.codes(z.numpy())))
    expected = expected.permute(0, 2, 3, 1).numpy()
    assert abs(images - expected).max() <= CLOSE * abs(expected).max()
    (style,) = generator.styles
    name = next(name for name in state if name.endswith(weight))
    rows = state[name].numpy().astype(np.float64).reshape(16, -1).T
    _, mine = np.linalg.eigh(style.weight.T.astype(np.float64) @ style.weight)
    _, theirs = np.linalg.eigh(rows.T @ rows)
    assert (abs((mine * theirs).sum(0)) > 1 - 1e-6).all()
