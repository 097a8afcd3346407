"""Time synthesis in large generators, with random weights, against PyTorch.

    python benchmarks/sefa.py [--rounds=7] [--models=pggan,stylegan,stylegan2]
                              [--pixels=256,1024] [--batches=1,4]
    python benchmarks/sefa.py --check
    python benchmarks/sefa.py --whole

PyTorch runs eagerly, channels-last, in inference mode, in its fastest forms: in place, with
styles and demodulation around a convolution that all examples share, and bias and noise where
they cost least. Every program has a process of its own; they run in turn. jaxgan's keeps freed
memory, as the command experiments.sefa does; torch's does so in a row of its own. Beyond 256
pixels the batch is 1. Both programs have the same weights, and a check at 32 pixels comes
first, that their images agree. ``--check`` does only this, at all sizes. ``--whole`` times
SeFa's default run, of StyleGAN2 at 256 pixels, once. Needs torch.
"""

import argparse
import tempfile
import time
from pathlib import Path

import harness
import numpy as np

MODELS = ("pggan", "stylegan", "stylegan2")
LATENT = 512
ONE_ONLY = 256  # pixels above which the batch is 1
SMALL, BOUNDS = 32, (2e-5, 1e-4)  # relative errors of images, at this size and others
EPSILON, SLOPE = 1e-8, 0.2
CACHE_NUMBERS = 2**17  # numbers that stay in the cache while torch sums their squares


def network_of(model, pixels):
    """Return the network in jaxgan, at the widths of the papers, and its number of codes."""
    from jaxgan.networks import pggan, stylegan, stylegan2

    kinds = {
        "pggan": (pggan.Generator, 16384),
        "stylegan": (stylegan.Synthesis, 16384),
        "stylegan2": (stylegan2.Synthesis, 32768),
    }
    kind, base = kinds[model]
    sides = [2**k for k in range(2, pixels.bit_length())]
    layers = 0 if model == "pggan" else 2 * len(sides)
    return kind(tuple(min(base // side, 512) for side in sides)), layers


def inputs(layers, count):
    """Draw codes, always the same."""
    shape = (count, layers, LATENT) if layers else (count, LATENT)
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def initial(module, example):
    """Draw parameters, always the same, with random numbers where they start at zero."""
    import jax

    rng = np.random.default_rng(0)

    def shake(path, x):
        if path[-1].key in ("kernel", "squares"):  # the latter follow from the former
            return x
        return x + 0.1 * rng.standard_normal(x.shape, np.float32)

    params = jax.jit(module.init)(jax.random.key(0), example)["params"]
    return jax.tree.map_with_path(shake, params)


def operations(model, pixels):
    """Count the floating-point operations of an image, of plain convolutions."""
    import jax

    network, layers = network_of(model, pixels)
    codes = inputs(layers, 1)
    params = jax.eval_shape(network.init, jax.random.key(0), codes)
    return harness.operations(network.apply, params, codes)


def jax_program(model, pixels, batch):
    """Make a compiled function of the codes."""
    import jax

    from jaxgan import runtime
    from jaxgan.convert.generator import image_functions
    from jaxgan.networks.layers import compiler_options

    runtime.keep_memory()
    network, layers = network_of(model, pixels)
    codes = inputs(layers, batch)
    params = jax.device_put(initial(network, codes))
    synthesise, prepare = image_functions(network, part=None)
    params |= jax.jit(prepare)(params, codes)
    synthesise = jax.jit(synthesise, compiler_options=compiler_options())
    return lambda: jax.block_until_ready(synthesise(params, codes))


def torch_program(model, pixels, batch):
    """Make the same function in eager torch."""
    import torch

    harness.put_torch_on_card()
    network, layers = network_of(model, pixels)
    codes = inputs(layers, batch)
    synthesise = TORCH[model](torch_weights(initial(network, codes)))
    codes = torch.tensor(codes)

    def run():
        with torch.inference_mode():
            return synthesise(codes).permute(0, 2, 3, 1)

    return run


def torch_weights(params):
    """Convert parameters to torch's layout: kernels ``[O, I, k, k]``, images channels-last.

    Kernels of transposed convolutions are ``[I, O, k, k]``.
    """
    import jax
    import torch

    def convert(path, x):
        x, is_kernel = torch.tensor(np.array(x)), path[-1].key == "kernel"
        if x.ndim == 4:
            x = x.permute((3, 2, 0, 1) if is_kernel else (0, 3, 1, 2))
            return x.contiguous(memory_format=torch.channels_last)
        return x.T.contiguous() if is_kernel else x

    return jax.tree.map_with_path(convert, params)


def torch_pggan(p):
    """Make ``networks.pggan.Generator`` in torch."""
    from torch.linalg import vector_norm
    from torch.nn import functional as F

    def normalise(x):
        size = vector_norm(x, dim=1, keepdim=True)
        return x.mul_(size.square_().div_(x.shape[1]).add_(EPSILON).rsqrt_())

    def synthesise(codes):
        x = normalise(codes[:, :, None, None].clone())
        for i in range(sum(name.startswith("conv") for name in p)):
            kernel, bias = p[f"conv_{i}"]["kernel"], p[f"bias_{i}"].flatten()
            if i % 2:
                x = F.conv2d(x, kernel, bias, padding=1)
            else:
                step = {"stride": 2, "padding": 1} if i else {}
                x = F.conv_transpose2d(x, kernel, bias, **step)
            x = normalise(F.leaky_relu_(x, SLOPE))
        return F.conv2d(x, p["to_rgb"]["kernel"], p["to_rgb"]["bias"].flatten())

    return synthesise


def torch_stylegan(p):
    """Make ``networks.stylegan.Synthesis`` in torch."""
    import torch
    from torch.nn import functional as F

    taps = torch.tensor([1.0, 2, 1])
    blur = torch.outer(taps, taps)[None, None] / 16

    def apply_style(x, style, code):
        scale, shift = F.linear(code, style["kernel"], style["bias"]).chunk(2, dim=1)
        x.sub_(x.mean((2, 3), keepdim=True))
        blocks = x.split(max(1, CACHE_NUMBERS // x[:, :, 0].numel()), dim=2)
        squares = sum(block.square().sum((2, 3)) for block in blocks)
        scale = squares.div_(x[0, 0].numel()).add_(EPSILON).rsqrt_().mul_(scale)
        return x.mul_(scale[:, :, None, None]).add_(shift[:, :, None, None])

    def synthesise(codes):
        x = p["const"].expand(len(codes), -1, -1, -1)
        for i in range(codes.shape[1]):
            after = p[f"epilogue_{i}"]
            bias, strength = after["bias"], after["strength"]
            if i % 2:
                x = F.conv2d(x, p[f"conv_{i}"]["kernel"], bias, padding=1)
            elif i:
                x = F.conv_transpose2d(x, p[f"conv_{i}"]["kernel"], stride=2, padding=1)
                kernel = blur.expand(x.shape[1], -1, -1, -1)
                x = F.conv2d(x, kernel, bias, padding=1, groups=x.shape[1])
            else:
                x = x + bias[:, None, None]
            x.addcmul_(after["noise"], strength[:, None, None])
            x = apply_style(F.leaky_relu_(x, SLOPE), after["style"], codes[:, i])
        return F.conv2d(x, p["to_rgb"]["kernel"], p["to_rgb"]["bias"].flatten())

    return synthesise


def torch_stylegan2(p):
    """Make ``networks.stylegan2.Synthesis`` in torch."""
    import torch
    from torch.nn import functional as F

    taps = torch.tensor([0.25, 0.75, 0.75, 0.25])
    blur = torch.outer(taps, taps)[None, None]
    gain = 2**0.5
    shifts = {  # times the gain, since leaky ReLU commutes with positive factors
        name: (gain * layer["noise"], gain * layer["bias"])
        for name, layer in p.items()
        if name.startswith("layer")
    }

    def layer(x, name, code, up):
        own, (noise, bias) = p[name], shifts[name]
        style = F.linear(code, own["style"]["kernel"], own["style"]["bias"])
        x.mul_(style[:, :, None, None])
        if up:
            x = F.conv_transpose2d(x, own["kernel"], stride=2)
            kernel = blur.expand(x.shape[1], -1, -1, -1)
            x = F.conv2d(x, kernel, padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x, own["kernel"], padding=1)
        scale = (style.square() @ own["squares"]).add_(EPSILON).rsqrt_().mul_(gain)
        x.mul_(scale[:, :, None, None]).add_(noise).add_(bias)
        return F.leaky_relu_(x, SLOPE)

    def to_rgb(x, own, code):
        style = F.linear(code, own["style"]["kernel"], own["style"]["bias"])
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)
        colours = torch.bmm(flat, (own["kernel"] * style[:, None]).transpose(1, 2))
        colours = colours.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return colours.add_(own["bias"])

    def synthesise(codes):
        x = p["const"].expand(len(codes), -1, -1, -1)
        x = layer(x.clone(memory_format=torch.channels_last), "layer_0", codes[:, 0], False)
        image = to_rgb(x, p["to_rgb_0"], codes[:, 1])
        for b in range(1, codes.shape[1] // 2):
            for i in (2 * b - 1, 2 * b):
                x = layer(x, f"layer_{i}", codes[:, i], i % 2 == 1)
            kernel = blur.expand(3, -1, -1, -1)
            image = F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=3)
            image += to_rgb(x, p[f"to_rgb_{b}"], codes[:, 2 * b + 1])
        return image

    return synthesise


TORCH = {"pggan": torch_pggan, "stylegan": torch_stylegan, "stylegan2": torch_stylegan2}


def torch_keeping_memory(model, pixels, batch):
    """Make the function in torch, in a process that keeps freed memory, as jaxgan's does."""
    from jaxgan import runtime

    runtime.keep_memory()
    return torch_program(model, pixels, batch)


PROGRAMS = {
    "jaxgan": jax_program,
    "torch": torch_program,
    "torch, memory kept": torch_keeping_memory,
}


def check(model, pixels):
    """Print the difference between the images of both programs.

    Raises:
      SystemExit: If it is too large.
    """
    count = 2 if pixels <= ONE_ONLY else 1
    programs = (jax_program, torch_program)
    own, other = (np.asarray(make(model, pixels, count)()) for make in programs)
    error, bound = np.abs(own - other).max() / np.abs(other).max(), BOUNDS[pixels != SMALL]
    print(f"{model}, {pixels} pixels: relative error {error:.1e}", flush=True)
    if not error <= bound:
        raise SystemExit(f"the programs differ by more than {bound:.0e}")


def images_per_second(microseconds):
    """Spell the speed at a time per image."""
    return f"{1e6 / microseconds:10.3f}"


def random_generator(pixels):
    """Make a StyleGAN2 with random weights, as ``jaxgan.convert`` does from a file."""
    from jaxgan.convert.generator import Pretrained, Style
    from jaxgan.networks import stylegan2

    network, layers = network_of("stylegan2", pixels)
    mapping = stylegan2.Mapping()
    params = {
        "mapping": initial(mapping, inputs(0, 1)),
        "synthesis": initial(network, inputs(layers, 1)),
    }
    parts = [(f"layer_{i}", i, False) for i in range(layers - 1)]
    parts += [(f"to_rgb_{b}", 2 * b + 1, True) for b in range(layers // 2)]
    styles = [
        Style(name, i, np.array(params["synthesis"][name]["style"]["kernel"]).T, to_rgb)
        for name, i, to_rgb in parts
    ]
    return Pretrained(
        flavour="random StyleGAN2",
        resolution=pixels,
        latent_dim=LATENT,
        num_layers=layers,
        params=params,
        encode=lambda params, z: mapping.apply({"params": params["mapping"]}, z),
        synthesise=lambda params, codes: network.apply({"params": params["synthesis"]}, codes),
        styles=tuple(styles),
    )


def whole(pixels=256):
    """Print the seconds of SeFa's default run, and of as many images in torch."""
    import torch
    from PIL import Image

    from experiments.sefa import config as sefa_config
    from experiments.sefa import run as sefa_run
    from jaxgan.sefa import render

    config = sefa_config.Config("random")
    count = config.directions * config.samples * config.steps
    print(f"{count} images of {pixels} pixels, s: {config.directions} directions")

    generator = random_generator(pixels)
    with tempfile.TemporaryDirectory() as directory:
        begin = time.perf_counter()
        sefa_run.run(config, Path(directory) / "run", generator)
        own = time.perf_counter() - begin
    print(f"  {'jaxgan, all of it':30}{own:9.2f}{count / own:8.3f} images/s", flush=True)

    synthesise = TORCH["stylegan2"](torch_weights(generator.params["synthesis"]))
    codes = torch.from_numpy(inputs(generator.num_layers, count)).split(config.batch_size)
    with tempfile.TemporaryDirectory() as directory, torch.inference_mode():
        begin = time.perf_counter()
        for k, part in enumerate(codes):
            levels = synthesise(part).mul_(127.5).add_(128).clamp_(0, 255).to(torch.uint8)
            for n, image in enumerate(levels.permute(0, 2, 3, 1).numpy()):
                path = Path(directory) / f"{k}_{n}.jpg"
                Image.fromarray(image).save(path, quality=render.QUALITY, optimize=True)
        other = time.perf_counter() - begin
    print(f"  {'torch, images as JPEG only':30}{other:9.2f}{count / other:8.3f} images/s")
    print(f"  ratio {other / own:.2f}")


def work(program, model, pixels, batch):
    """Act as a worker whose steps are images."""

    def make():
        synthesise = PROGRAMS[program](model, int(pixels), int(batch))

        def run():
            synthesise()
            return int(batch)

        return run

    harness.serve(make)


def main():
    """Print images per second: a line per model, size, batch and program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--pixels", default="256,1024")
    parser.add_argument("--batches", default="1,4")
    parser.add_argument("--check", action="store_true", help="compare the images only")
    parser.add_argument("--whole", action="store_true", help="time SeFa's default run only")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker)
        return
    models = options.models.split(",")
    sizes, batches = (
        [int(number) for number in text.split(",")]
        for text in (options.pixels, options.batches)
    )
    for pixels in (SMALL, *sizes) if options.check else (SMALL,):
        for model in ["stylegan2"] if options.whole else models:
            check(model, pixels)
    if options.check:
        return
    if options.whole:
        whole()
        return
    harness.header("images per second, at the shortest and the median time")
    for model in models:
        for pixels in sizes:
            for batch in batches:
                if batch > 1 and pixels > ONE_ONLY:
                    continue
                programs = {name: (name, model, pixels, batch) for name in PROGRAMS}
                title = f"{model}, {pixels} pixels, batch {batch}"
                harness.compare(title, programs, options.rounds, images_per_second)


if __name__ == "__main__":
    main()
