"""Time the MobileStyleGAN of 1024-pixel faces against OpenVINO, whose files it reads.

    python benchmarks/mobilestylegan.py [--rounds=15]

Both synthesise one image at a time from its code, in float32. Each program has a process of
its own; they run in turn. Needs ``pip install openvino``; the files are downloaded once.
"""

import argparse

import harness
import numpy as np

NAME = "mobilestylegan-ffhq"


def latents():
    """Return one latent, the same for both programs."""
    return np.random.default_rng(0).standard_normal((1, 512), np.float32)


def own():
    """Make the synthesis in jaxgan, whose result goes to the host."""
    from jaxgan import convert, runtime

    runtime.keep_memory()
    generator = convert.load(NAME)
    code = np.asarray(generator.codes(latents()))

    def run():
        np.asarray(generator.images(code))
        return 1

    return run


def openvino():
    """Make the synthesis in OpenVINO."""
    import openvino

    from jaxgan.convert import zoo

    core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    mapping, synthesis = (
        core.compile_model(core.read_model(zoo.fetch(NAME) / f"{name}.xml"), "CPU", exact)
        for name in ("MappingNetwork", "SynthesisNetwork")
    )
    code = mapping(latents())[0]

    def run():
        synthesis(code)
        return 1

    return run


PROGRAMS = {"jaxgan": own, "openvino": openvino}


def main():
    """Print microseconds per image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        harness.serve(PROGRAMS[options.worker])
        return
    from jaxgan.convert import zoo

    zoo.fetch(NAME, print)
    harness.header("microseconds per image of 1024 pixels", "openvino")
    harness.compare("MobileStyleGAN", {name: (name,) for name in PROGRAMS}, options.rounds)


if __name__ == "__main__":
    main()
