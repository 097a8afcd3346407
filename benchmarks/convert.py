"""Time the loading of a StyleGAN2 of 1024 pixels, and its peak memory, against PyTorch.

    python benchmarks/convert.py [--rounds=5] [--pixels=1024]

The file holds random weights by rosinality's names, in four containers: the zip of
``torch.save``, the stream before it, TorchScript, and safetensors. PyTorch reads it with
``torch.load(weights_only=True)``, ``torch.jit.load`` or ``safetensors``, builds the module as
its constructor does, with random weights, and loads the state dict. jaxgan reads it to
parameters on the device. Each measurement is a process of its own, after its imports; the
programs run in turn. Memory is the peak of the whole process, and what it adds to the imports.
Needs torch and safetensors.
"""

import argparse
import importlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

CONTAINERS = {
    "zip": "pt",
    "stream": "pth",
    "TorchScript": "ts.pt",
    "safetensors": "safetensors",
}
LATENT, DEPTH, BASE = 512, 8, 32768


def shapes(pixels):
    """Return the names and shapes of a generator by rosinality."""
    sides = [2**k for k in range(2, pixels.bit_length())]
    width = [min(BASE // side, 512) for side in sides]
    names = {"input.input": (1, width[0], 4, 4)}
    for i in range(1, DEPTH + 1):
        names |= {f"style.{i}.weight": (LATENT, LATENT), f"style.{i}.bias": (LATENT,)}

    def add_modulated(name, out, inputs, taps):
        names[f"{name}.conv.weight"] = (1, out, inputs, taps, taps)
        names[f"{name}.conv.modulation.weight"] = (inputs, LATENT)
        names[f"{name}.conv.modulation.bias"] = (inputs,)

    def layer(name, i, out, inputs):
        add_modulated(name, out, inputs, 3)
        names[f"{name}.noise.weight"], names[f"{name}.activate.bias"] = (1,), (out,)
        names[f"noises.noise_{i}"] = (1, 1, sides[(i + 1) // 2], sides[(i + 1) // 2])

    def colours(name, inputs):
        add_modulated(name, 3, inputs, 1)
        names[f"{name}.bias"] = (1, 3, 1, 1)

    layer("conv1", 0, width[0], width[0])
    colours("to_rgb1", width[0])
    for b in range(1, len(sides)):
        layer(f"convs.{2 * b - 2}", 2 * b - 1, width[b], width[b - 1])
        names[f"convs.{2 * b - 2}.conv.blur.kernel"] = (4, 4)
        layer(f"convs.{2 * b - 1}", 2 * b, width[b], width[b])
        colours(f"to_rgbs.{b - 1}", width[b])
        names[f"to_rgbs.{b - 1}.upsample.kernel"] = (4, 4)
    return names


def build(pixels):
    """Build the module in torch, with random weights as its constructor draws them."""
    import torch

    blur = torch.tensor([1.0, 3.0, 3.0, 1.0])
    blur = blur[:, None] * blur[None] / 16
    root = torch.nn.Module()
    for name, shape in shapes(pixels).items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module.get_submodule(part)
        if last == "kernel":
            module.register_buffer(last, blur.clone())
        elif name.startswith("noises."):
            module.register_buffer(last, torch.randn(shape))
        elif last == "bias":
            module.register_parameter(last, torch.nn.Parameter(torch.zeros(shape)))
        else:
            module.register_parameter(last, torch.nn.Parameter(torch.randn(shape)))
    return root


def write(folder, pixels):
    """Write the four files."""
    import torch
    from safetensors.torch import save_file

    module = build(pixels)
    state = {name: tensor.detach() for name, tensor in module.state_dict().items()}
    torch.save({"g_ema": state}, folder / "zip.pt")
    old = {"_use_new_zipfile_serialization": False}
    torch.save({"g_ema": state}, folder / "stream.pth", **old)
    save_file(state, folder / "safetensors.safetensors")
    module.forward = lambda z: z
    torch.jit.trace_module(module, {"forward": torch.zeros(1)}).save(
        folder / "TorchScript.ts.pt"
    )


def jaxgan_program(path, container, pixels):
    """Read a file to parameters on the device."""
    import jax
    from jax import numpy  # imports what every program needs

    import jaxgan

    importlib.import_module("jaxgan.convert.flavours")
    jax.block_until_ready(numpy.zeros(1))

    def load():
        jax.block_until_ready(jaxgan.load(path).params)

    return load


def torch_program(path, container, pixels):
    """Read a file into a module."""
    import torch

    if container == "safetensors":
        from safetensors.torch import load_file

    def load():
        if container == "TorchScript":
            state = torch.jit.load(path).state_dict()
        elif container == "safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, weights_only=True)["g_ema"]
        module = build(pixels)
        module.load_state_dict(state)

    return load


PROGRAMS = {"jaxgan": jaxgan_program, "torch": torch_program}


def peak():
    """Return the peak memory of this program, MiB; ``getrusage`` counts its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def work(program, path, container, pixels):
    """Print the seconds of a load, the peak memory, and that of the imports."""
    load = PROGRAMS[program](path, container, int(pixels))
    imports, begin = peak(), time.perf_counter()
    load()
    print(json.dumps([time.perf_counter() - begin, peak(), imports]))


def measure(*arguments):
    """Measure one load in a process of its own."""
    command = [sys.executable, sys.argv[0], "--worker", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    """Print seconds and MiB: a line per container and program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pixels", type=int, default=1024)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker)
        return
    print(harness.machine())
    print(f"StyleGAN2 of {options.pixels} pixels, medians; ratios to torch")
    columns = f"{'s':>7}{'ratio':>7}{'peak MiB':>10}{'ratio':>7}"
    print(f"{'':22}{columns}{'beyond imports':>16}{'ratio':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.pixels)
        for container, ending in CONTAINERS.items():
            path = folder / f"{container}.{ending}"
            runs = {program: [] for program in PROGRAMS}
            for _ in range(options.rounds):
                for program, values in runs.items():
                    values.append(measure(program, path, container, options.pixels))
            print(f"{container}, {path.stat().st_size >> 20} MiB")
            medians = {
                program: [statistics.median(column) for column in zip(*values, strict=True)]
                for program, values in runs.items()
            }
            for program, (seconds, most, imports) in medians.items():
                rival = medians["torch"]
                print(
                    f"  {program:20}{seconds:7.2f}{seconds / rival[0]:7.2f}{most:10.0f}"
                    f"{most / rival[1]:7.2f}{most - imports:16.0f}"
                    f"{(most - imports) / (rival[1] - rival[2]):7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
