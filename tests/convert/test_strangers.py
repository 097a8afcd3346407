"""What is said of files that hold no generator which is read.

Names and shapes are those of the networks' public code at small widths, or a few of them.
"""

import pickle
import re

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert.flavours import FLAVOURS, strangers
from jaxgan.convert.formats._inert import Inert
from jaxgan.errors import InputError
from tests.convert.test_stylegan2_flavours import DIM, LAYERS, written
from tests.generators import line_of


def arrays(shapes, start=""):
    """Random arrays, by lines of names and shapes."""
    draw = np.random.default_rng(0).standard_normal
    lines = (line.split(maxsplit=1) for line in shapes.strip().splitlines())
    return {
        start + name: draw([int(n) for n in re.findall(r"\d+", shape)]).astype(np.float32)
        for name, shape in lines
    }


LUCIDRAINS = """
    S.net.0.weight [8, 8]
    S.net.0.bias [8]
    G.initial_block [1, 16, 4, 4]
    G.initial_conv.weight [16, 16, 3, 3]
    G.initial_conv.bias [16]
    G.blocks.0.to_style1.weight [16, 8]
    G.blocks.0.to_style1.bias [16]
    G.blocks.0.to_noise1.weight [16, 1]
    G.blocks.0.to_noise1.bias [16]
    G.blocks.0.conv1.weight [16, 16, 3, 3]
    G.blocks.0.to_rgb.to_style.weight [16, 8]
    G.blocks.0.to_rgb.conv.weight [3, 16, 1, 1]
    GE.blocks.0.to_style1.weight [16, 8]
    GE.blocks.0.to_noise1.weight [16, 1]
    D.blocks.0.conv_res.weight [8, 3, 1, 1]
    D.final_conv.weight [8, 8, 3, 3]
"""
LIGHTWEIGHT = """
    G.initial_conv.0.weight [8, 16, 4, 4]
    G.initial_conv.1.weight [16]
    G.layers.0.0.0.net.0.weight [32, 8, 1, 1]
    G.layers.0.0.2.1.weight [16, 8, 4, 4]
    G.layers.0.0.4.running_mean [16]
    G.out_conv.weight [3, 8, 3, 3]
    G.out_conv.bias [3]
    D.residual_layers.0.0.branches.0.1.1.weight [8, 12, 1, 1]
    D.to_logits.0.weight [8, 8, 1, 1]
"""
GIGAGAN = """
    init_block [16, 4, 4]
    style_network.net.0.weight [8, 8]
    init_conv.weights [2, 16, 16, 3, 3]
    layers.0.1.0.weights [2, 8, 16, 3, 3]
    layers.0.2.weights [1, 3, 8, 1, 1]
    style_to_conv_modulations.weight [94, 8]
"""
BIGGAN = """
    shared.weight [3, 8]
    linear.weight [256, 5]
    linear.bias [256]
    linear.u0 [1, 256]
    blocks.0.0.conv1.weight [16, 16, 3, 3]
    blocks.0.0.conv_sc.weight [16, 16, 1, 1]
    blocks.0.0.bn1.stored_mean [16]
    blocks.0.0.bn1.gain.weight [16, 13]
    output_layer.0.gain [16]
    output_layer.2.weight [3, 16, 3, 3]
"""
PRETRAINED_BIGGAN = """
    embeddings.weight [8, 3]
    generator.gen_z.bias [2048]
    generator.gen_z.weight_orig [2048, 16]
    generator.layers.0.bn_0.running_means [51, 8]
    generator.layers.0.bn_0.scale.weight_orig [8, 16]
    generator.layers.0.conv_0.weight_orig [2, 8, 1, 1]
"""
STUDIOGAN = """
    linear0.bias [256]
    linear0.weight_orig [256, 5]
    shared.weight [3, 8]
    blocks.0.0.bn1.bn.running_mean [16]
    blocks.0.0.bn1.gain.weight_orig [16, 13]
    blocks.0.0.conv2d1.weight_orig [16, 16, 3, 3]
    conv2d5.weight_orig [3, 16, 3, 3]
"""
PRO_GAN = """
    layers.0.conv_1.weight [8, 16, 4, 4]
    layers.0.conv_1.bias [16]
    layers.0.conv_2.weight [16, 16, 3, 3]
    layers.1.conv_1.weight [16, 16, 3, 3]
    layers.1.conv_2.weight [16, 16, 3, 3]
    rgb_converters.0.weight [3, 16, 1, 1]
    rgb_converters.1.weight [3, 16, 1, 1]
"""
HUB = """
    scaleLayers.0.0.module.weight [8, 8, 3, 3]
    scaleLayers.0.1.module.weight [8, 8, 3, 3]
    toRGBLayers.0.module.weight [3, 8, 1, 1]
    formatLayer.module.weight [128, 16]
    groupScale0.0.module.weight [8, 8, 3, 3]
"""
STYLEGAN_XL = """
    mapping.embed.weight [10, 8]
    mapping.embed_proj.weight [8, 8]
    mapping.fc0.weight [8, 16]
    synthesis.input.freqs [8, 2]
    synthesis.input.phases [8]
    synthesis.input.affine.weight [4, 8]
    synthesis.L0_36_8.weight [8, 8, 3, 3]
"""
EG3D = """
    backbone.synthesis.b4.const [16, 4, 4]
    backbone.synthesis.b4.conv1.weight [16, 16, 3, 3]
    backbone.synthesis.b4.conv1.affine.weight [16, 8]
    backbone.synthesis.b4.torgb.weight [96, 16, 1, 1]
    superresolution.block1.conv1.affine.weight [64, 512]
    decoder.net.0.weight [64, 32]
    decoder.net.2.weight [33, 64]
"""
STYLESWIN = """
    style.1.weight [8, 8]
    input.input [1, 512, 4, 4]
    layers.0.blocks.0.norm1.style.weight [1024, 8]
    layers.0.blocks.0.qkv.weight [1536, 512]
    layers.0.blocks.0.attn.0.relative_position_bias_table [49, 8]
    layers.0.blocks.0.mlp.fc1.weight [2048, 512]
"""
FASTGAN = """
    init.init.0.weight_orig [8, 128, 4, 4]
    init.init.1.running_mean [128]
    feat_8.1.weight_orig [64, 64, 3, 3]
    feat_8.2.weight [1]
    feat_8.3.running_mean [64]
    to_big.weight_orig [3, 4, 3, 3]
"""
DIFFUSION = """
    model.diffusion_model.input_blocks.0.0.weight [8, 4, 3, 3]
    model.diffusion_model.input_blocks.0.0.bias [8]
    model.diffusion_model.middle_block.0.in_layers.2.weight [16, 16, 3, 3]
    model.diffusion_model.out.2.weight [4, 8, 3, 3]
    first_stage_model.quant_conv.weight [8, 8, 1, 1]
    first_stage_model.post_quant_conv.weight [4, 4, 1, 1]
"""
UNET = "down_blocks.0.resnets.0.conv1.weight [8, 8, 3, 3]"
LORA = """
    lora_unet_down_blocks_0_proj_in.lora_down.weight [4, 8]
    lora_unet_down_blocks_0_proj_in.lora_up.weight [8, 4]
"""
PEFT = "base_model.model.unet.down_blocks.0.resnets.0.conv1.lora_A.default.weight [4, 8]"
VQGAN = """
    encoder.conv_in.weight [8, 3, 3, 3]
    decoder.conv_in.weight [8, 4, 3, 3]
    quantize.embedding.weight [16, 4]
    post_quant_conv.weight [4, 4, 1, 1]
"""
CYCLEGAN = """
    model.1.weight [8, 3, 7, 7]
    model.4.weight [16, 8, 3, 3]
    model.10.conv_block.1.weight [16, 16, 3, 3]
    model.10.conv_block.5.weight [16, 16, 3, 3]
    model.19.weight [16, 8, 3, 3]
    model.26.weight [3, 8, 7, 7]
"""
PIX2PIX = """
    model.model.0.weight [8, 3, 4, 4]
    model.model.1.model.1.weight [16, 8, 4, 4]
    model.model.1.model.3.weight [16, 8, 4, 4]
    model.model.3.weight [16, 3, 4, 4]
"""
PATCHES = """
    model.0.weight [8, 6, 4, 4]
    model.2.weight [16, 8, 4, 4]
    model.11.weight [1, 16, 4, 4]
"""
ENCODER = """
    input_layer.0.weight [8, 3, 3, 3]
    input_layer.1.running_mean [8]
    body.0.res_layer.1.weight [8, 8, 3, 3]
    body.0.res_layer.5.fc1.weight [4, 8, 1, 1]
    body.0.res_layer.5.fc2.weight [8, 4, 1, 1]
"""
CRITIC = """
    main.0.weight [8, 3, 4, 4]
    main.2.weight [16, 8, 4, 4]
    main.3.running_mean [16]
    main.5.weight [1, 16, 4, 4]
"""
DISCRIMINATOR = """
    convs.0.0.weight [8, 3, 1, 1]
    convs.1.conv1.0.weight [8, 8, 3, 3]
    final_conv.0.weight [8, 9, 3, 3]
    final_linear.0.weight [8, 128]
    final_linear.1.weight [1, 8]
"""
NVLABS_DISCRIMINATOR = """
    b8.fromrgb.weight [8, 3, 1, 1]
    b8.conv0.weight [8, 8, 3, 3]
    b8.conv1.weight [16, 8, 3, 3]
    b8.skip.weight [16, 8, 1, 1]
    b4.conv.weight [16, 17, 3, 3]
    b4.fc.weight [16, 256]
    b4.out.weight [1, 16]
"""
OTHER = """
    fc.weight [64, 8]
    fc.bias [64]
    up.weight [8, 8, 2, 2, 2]
"""
CLASSIFIER = """
    conv1.weight [8, 3, 3, 3]
    conv2.weight [16, 8, 3, 3]
    fc.weight [10, 256]
"""
TRANSFORMER = """
    encoder.layer.0.attention.self.query.weight [8, 8]
    encoder.layer.0.intermediate.dense.weight [32, 8]
"""
ADAM = {"state": {0: {"exp_avg": np.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
G = "which is not supported"
PGGAN = "a PGGAN of PyTorch Hub (facebookresearch's pytorch_GAN_zoo), " + G
IMAGES = "a generator that turns images into images (CycleGAN, pix2pix), which has no latents"
DENOISER = "a diffusion model, which has no code of an image to move"

# A generator of PyTorch-GAN whose latents are multiplied by an embedding of the label.
CONDITIONAL = """
    label_emb.weight [10, 8]
    l1.0.weight [256, 8]
    l1.0.bias [256]
    conv_blocks.2.weight [16, 16, 3, 3]
    conv_blocks.2.bias [16]
    conv_blocks.6.weight [8, 16, 3, 3]
    conv_blocks.6.bias [8]
    conv_blocks.9.weight [1, 8, 3, 3]
    conv_blocks.9.bias [1]
"""
UNORDERED = (
    "a network of 3 convolutions that is not a DCGAN: by their shapes, its layers do not form "
    "a chain, or none of them upsamples"
)
HELD = [  # what a file holds, and what is said of it
    ({"GAN": arrays(LUCIDRAINS)}, f"the StyleGAN2 of lucidrains' stylegan2-pytorch, {G}"),
    (arrays(LUCIDRAINS, "GAN."), f"the StyleGAN2 of lucidrains' stylegan2-pytorch, {G}"),
    ({"GAN": arrays(LIGHTWEIGHT)}, f"a lightweight GAN of lucidrains' lightweight-gan, {G}"),
    ({"G_ema": arrays(GIGAGAN)}, f"a GigaGAN of lucidrains' gigagan-pytorch, {G}"),
    (arrays(BIGGAN), f"a BigGAN of ajbrock's BigGAN-PyTorch, {G}"),
    (
        arrays(PRETRAINED_BIGGAN),
        f"a BigGAN of Hugging Face's pytorch-pretrained-BigGAN, {G}",
    ),
    ({"state_dict": arrays(STUDIOGAN)}, f"a generator of PyTorch-StudioGAN, {G}"),
    (arrays(PRO_GAN), f"a PGGAN of akanimax's pro_gan_pytorch, {G}"),
    ({"netG": arrays(HUB), "netD": arrays(CRITIC)}, PGGAN),
    ({"G_ema": arrays(STYLEGAN_XL)}, f"a StyleGAN-XL, {G}"),
    (
        {"G": arrays(EG3D), "G_ema": arrays(EG3D)},
        f"an EG3D generator, of scenes in three dimensions, {G}",
    ),
    ({"g_ema": arrays(STYLESWIN)}, f"a StyleSwin, {G}"),
    ({"g": arrays(FASTGAN, "module.")}, f"a FastGAN, as Projected GANs have, {G}"),
    ({"G_ema": arrays(FASTGAN, "synthesis.")}, f"a FastGAN, as Projected GANs have, {G}"),
    ({"state_dict": arrays(DIFFUSION)}, DENOISER),
    (arrays(UNET), DENOISER),
    (arrays(LORA), "a LoRA, which only changes another network"),
    (arrays(PEFT), "a LoRA, which only changes another network"),
    (
        {"state_dict": arrays(VQGAN)},
        "an autoencoder of images (VQGAN, or that of a diffusion model)",
    ),
    (arrays(CYCLEGAN), IMAGES),
    ({"netG_A": arrays(CYCLEGAN), "netD_A": arrays(PATCHES)}, IMAGES),
    (arrays(PIX2PIX), IMAGES),
    (
        {"state_dict": arrays(ENCODER, "encoder.")},
        "an encoder of faces (ArcFace, pSp, e4e) without its generator",
    ),
    ({"d": arrays(DISCRIMINATOR)}, "a StyleGAN2 discriminator"),
    ({"D": arrays(NVLABS_DISCRIMINATOR)}, "a StyleGAN2 discriminator"),
    (arrays("input0.weight [8, 3]\nlayer0.weight [8, 8]"), "a discriminator of genforce"),
    ({"netD_state_dict": arrays(CRITIC), "epoch": 3}, "a discriminator"),
    (arrays(CRITIC), "a discriminator, by its shapes"),
    (arrays(CLASSIFIER), "a network that makes 10 numbers of an image"),
    (arrays("features.0.weight [8, 3, 3, 3]"), "a VGG network"),
    (arrays("layer1.0.conv1.weight [8, 8, 3, 3]"), "a ResNet"),
    (arrays("Mixed_5b.branch1x1.conv.weight [8, 8, 1, 1]"), "an Inception network"),
    (arrays(TRANSFORMER), "a transformer"),
    (
        {"netG": arrays(OTHER), "netD": arrays(CRITIC), "optimizer": ADAM},
        "a generator netG of a kind that is not known: 3 arrays, the first of them 'fc.weight'",
    ),
    (
        {"state_dict": arrays(OTHER, "generator.") | arrays(CRITIC, "discriminator.")},
        "a generator state_dict.generator of a kind that is not known: 3 arrays, the first of "
        "them 'fc.weight'",
    ),
    (ADAM, "the state of an optimizer"),
    ({}, "no arrays"),
    ({"epoch": 3}, "no arrays"),
    (
        {"decay": 0.99, "shadow_params": [np.ones((2, 3)), np.ones(3)]},
        "2 arrays without names, where a state dict has some",
    ),
    (np.ones(3), "one array without a name, where a state dict has some"),
    (
        np.ones((2, 18, 512)),
        "one array of shape [2, 18, 512], which may be codes: give those as --codes",
    ),
    (arrays(CONDITIONAL), UNORDERED),
    (
        arrays("0.0.weight [16, 8]\n0.0.bias [16]\n1.weight [784, 16]\n1.bias [784]"),
        "a network of 2 dense layers only, which is not supported",
    ),
    ({"weight": np.ones(3)}, "one array, 'weight'"),
    ({"a\nb": np.ones(3), "c": np.ones(3)}, "2 arrays, the first of them 'a\\nb'"),
]


def refusal(value, path):
    path.write_bytes(pickle.dumps(value, 4))
    with pytest.raises(InputError) as error:
        convert.load(path)
    return line_of(error)


@pytest.mark.parametrize(("value", "what"), HELD, ids=[what[:40] for _, what in HELD])
def test_a_file_without_a_generator_is_named(value, what, tmp_path):
    path = tmp_path / "file.pkl"
    read = ", ".join([*FLAVOURS, "a run of jaxgan"])
    line = f"{path} holds {what}; supported generators: {read}"
    assert refusal(value, path) == line


def test_every_row_of_the_tables_is_tested():
    said = " ".join(what for _, what in HELD)
    for what in (*strangers._UNSUPPORTED, *strangers._OTHERS):
        assert what in said, what


def network(function, **arrays):
    state = {
        "build_func_name": function,
        "variables": list(arrays.items()),
        "static_kwargs": {},
    }
    return Inert("dnnlib.tflib.network.Network", state)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (
            network("D_basic", lod=np.ones(())),
            "the TensorFlow network D_basic (a discriminator)",
        ),
        (
            network("vgg16_zhang_perceptual"),
            "the TensorFlow network vgg16_zhang_perceptual (the VGG",
        ),
        (network("inception_v3_features"), "inception_v3_features (an Inception network)"),
        (
            (network("G_other"), network("D_paper"), network("G_other")),
            "the TensorFlow networks G: G_other, D: D_paper (a discriminator), Gs: G_other",
        ),
        (network(3), "the TensorFlow network without a name"),
        (network("a\nb"), r"the TensorFlow network 'a\nb'"),
    ],
)
def test_other_networks_of_tensorflow_are_named(value, what):
    assert what in strangers.content(value, {"0.variables.0.1": np.ones(3)})


def test_the_generator_in_an_encoder_is_read(tmp_path):
    """As pSp and e4e save it: the decoder is one of rosinality's."""
    generator = {
        name.removeprefix("g_ema."): array
        for name, array in written("rosinality").items()
        if name.startswith("g_ema.")
    }
    mean = np.ones((LAYERS, DIM), np.float32)
    decoder = {f"decoder.{name}": array for name, array in generator.items()}
    path = tmp_path / "psp.pkl"
    both = {"state_dict": arrays(ENCODER, "encoder.") | decoder, "latent_avg": mean}
    path.write_bytes(pickle.dumps(both, 4))
    model = convert.load(path)
    assert model.flavour == "rosinality StyleGAN2"
    assert "state_dict.decoder" in model.origin
    np.testing.assert_array_equal(model.average, mean)
    first = generator["conv1.conv.modulation.weight"]
    np.testing.assert_array_equal(model.styles[0].weight, first)


def test_damage_of_what_is_read_is_not_hidden(tmp_path):
    """A file may hold networks that are not read beside a damaged one that is."""
    both = written("rosinality") | arrays(ENCODER, "encoder.") | arrays(DISCRIMINATOR, "d.")
    del both["g_ema.conv1.activate.bias"]
    assert "lacks conv1.activate.bias" in refusal(both, tmp_path / "file.pkl")


def test_files_of_torch_that_hold_no_generator(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "file.pth"
    layer = torch.nn.Linear(2, 3)
    for value, what in [
        (torch.optim.Adam(layer.parameters()).state_dict(), "the state of an optimizer;"),
        (layer.state_dict(), "2 arrays, the first of them 'weight';"),
    ]:
        torch.save(value, path)
        with pytest.raises(InputError, match=f"holds {what}"):
            convert.load(path)


def test_names_of_any_length_and_number_take_no_time():
    """Patterns try each name in few ways."""
    hostile = "g" + "AB_" * 40 + "!.d" + "_state" * 20 + "!.attn." + "a." * 30
    many = dict.fromkeys((f"{hostile}{i}.weight" for i in range(200_000)), np.ones(1))
    assert "200000 arrays, the first of them" in strangers.content(many, many)
