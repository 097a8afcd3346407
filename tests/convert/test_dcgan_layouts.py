"""DCGANs under other names, with other layers and sizes, against PyTorch."""

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert.flavours import dcgan
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError
from jaxgan.networks.upsampler import Upsampler
from tests.generators import line_of

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


def run_layers(torch, layers, params, z):
    """Images ``[N, H, W, C]`` that PyTorch makes of the layers of an ``Upsampler``."""
    functional = torch.nn.functional
    x = torch.tensor(z)[:, :, None, None]
    for i, layer in enumerate(layers):
        own = {k: torch.tensor(v) for k, v in params.get(f"layer_{i}", {}).items()}
        own = {k: v.permute(0, 3, 1, 2) if k != "kernel" else v for k, v in own.items()}
        match layer.kind:
            case "transposed":
                stride, padding, extra = layer.window
                w = own["kernel"].permute(3, 2, 0, 1)
                x = functional.conv_transpose2d(x, w, None, stride, padding, extra)
                x = x + own["bias"]
            case "conv":
                w = own["kernel"].permute(3, 2, 0, 1)
                x = functional.conv2d(x, w, None, *layer.window[:2]) + own["bias"]
            case "enlarge":
                x = functional.interpolate(x, scale_factor=layer.window.stride)
            case "scale":
                x = x * own["scale"] + own["shift"]
            case "instance":
                x = functional.instance_norm(x, eps=layer.value) * own["scale"] + own["shift"]
            case "prelu":
                x = torch.where(x > 0, x, own["slope"] * x)
            case "elu" | "leaky_relu":
                x = getattr(functional, layer.kind)(x, layer.value)
            case _:
                x = getattr(functional, layer.kind)(x)
    return x.permute(0, 2, 3, 1).numpy()


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


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("plan", PLANS)
def test_layouts(plan, torch, read):
    module, settings = getattr(Plans, plan)(torch)
    module = trained(torch, module)
    state = {name: array.numpy() for name, array in module.state_dict().items()}
    generator, layers = read(state, **settings)
    check(torch, generator, layers, module)
