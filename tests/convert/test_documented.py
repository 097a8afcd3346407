"""The documents' table of generators, each row of which is proved by a test."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "checkpoints.md"
PROOFS = {
    "`mobilestylegan-ffhq`, `dcgan-faces`, `dcgan-photos`": [
        "mobilestylegan.test_the_real_one_equals_openvino",
        "zoo.test_the_photos_are_those_of_torch",
        "zoo.test_without_a_network_one_line_says_where_the_file_goes",
    ],
    "genforce": [
        "genforce_flavours.test_pggan_gives_the_images_of_genforce",
        "genforce_flavours.test_stylegan_gives_the_images_of_genforce",
        "genforce_flavours.test_pggan_takes_labels_behind_latents",
        "genforce_flavours.test_lengths_of_latents_and_labels_of_stylegan",
        "stylegan2_flavours.test_golden_of_genforce",
        "stylegan2_kinds.test_labels_are_embedded_beside_latents",
    ],
    "rosinality, pSp, e4e": [
        "stylegan2_flavours.test_golden_of_rosinality",
        "stylegan2_kinds.test_images_of_rosinality_without_noise",
        "strangers.test_the_generator_in_an_encoder_is_read",
    ],
    "BasicSR, GFPGAN": [
        "stylegan2_flavours.test_flavours_are_one_network",
        "stylegan2_kinds.test_the_generator_inside_gfpgan",
    ],
    "NVlabs, PyTorch": [
        "stylegan2_kinds.test_images_of_nvlabs",
        "stylegan2_kinds.test_images_of_other_architectures",
        "stylegan3.test_images_are_those_of_nvlabs",
        "stylegan3.test_a_transform_is_one_for_all_or_one_each",
    ],
    "NVlabs, TensorFlow": ["tensorflow.test_images_are_those_of_tensorflow"],
    "MobileStyleGAN": [
        "mobilestylegan.test_its_checkpoint",
        "mobilestylegan.test_networks_that_openvino_saved",
    ],
    "DCGANs": ["dcgan_layouts.test_layouts", "dcgan_layouts.test_cases"],
    "jaxgan's own": ["own.test_what_is_written_is_read"],
    "not read, but named": [
        "strangers.test_a_file_without_a_generator_is_named",
        "containers.test_foreign_files",
    ],
}


def rows():
    """First cells of the table."""
    section = PAGE.read_text("utf-8").split("## What is read")[1].split("\n##")[0]
    return re.findall(r"^\| (?!`--checkpoint=`)([^|-][^|]*?) \|", section, re.MULTILINE)


def test_every_row_has_tests():
    assert rows() == list(PROOFS)


@pytest.mark.parametrize("proof", [proof for proofs in PROOFS.values() for proof in proofs])
def test_the_tests_are_there(proof):
    module, test = proof.split(".")
    assert callable(getattr(importlib.import_module(f"tests.convert.test_{module}"), test))
