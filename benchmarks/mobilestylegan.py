"""Time the MobileStyleGAN of 1024-pixel faces against OpenVINO, whose files it reads.

    python benchmarks/mobilestylegan.py [--rounds=15] [--batches=1,5]

Both synthesise images from their codes, in float32, one at a time and five at once. Each
program has a process of its own; they run in turn. Needs ``pip install openvino``; the files
are downloaded once.
"""

import argparse

import harness
import numpy as np

NAME = "mobilestylegan-ffhq"


def latents(batch):
    """Return latents, the same for both programs."""
    return np.random.default_rng(0).standard_normal((batch, 512), np.float32)


def own(batch):
    """Make the synthesis in jaxgan, whose result goes to the host."""
    from jaxgan import convert, runtime

    runtime.keep_memory()
    generator = convert.load(NAME)
    codes = np.asarray(generator.codes(latents(batch)))

    def run():
        np.asarray(generator.images(codes))
        return batch

    return run


def openvino(batch):
    """Make the synthesis in OpenVINO, in a network for that many images."""
    import openvino

    from jaxgan.convert import zoo

    core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    networks = []
    for name in ("MappingNetwork", "SynthesisNetwork"):
        model = core.read_model(zoo.fetch(NAME) / f"{name}.xml")
        (shape,) = (each.shape for each in model.inputs)
        model.reshape([batch, *shape[1:]])
        networks.append(core.compile_model(model, "CPU", exact))
    mapping, synthesis = networks
    codes = mapping(latents(batch))[0]
    assert synthesis(codes)[0].shape == (batch, 3, 1024, 1024)

    def run():
        synthesis(codes)
        return batch

    return run


PROGRAMS = {"jaxgan": own, "openvino": openvino}


def main():
    """Print microseconds per image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", default="1,5")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        program, batch = options.worker
        harness.serve(lambda: PROGRAMS[program](int(batch)))
        return
    from jaxgan.convert import zoo

    zoo.fetch(NAME, print)
    harness.header("microseconds per image of 1024 pixels", "openvino")
    for batch in options.batches.split(","):
        programs = {name: (name, batch) for name in PROGRAMS}
        harness.compare(f"MobileStyleGAN, batch {batch}", programs, options.rounds)


if __name__ == "__main__":
    main()
