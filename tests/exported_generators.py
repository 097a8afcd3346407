"""Small generators of every kind of network."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.convert import own
from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.clouds import Cloud
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.networks import mobilestylegan, pggan, stylegan, stylegan2, stylegan3, upsampler
from jaxgan.networks.mlp import Generator
from jaxgan.networks.pairs import PAIRS
from jaxgan.networks.resampling import resampling, signals


def drawn(init, *inputs):
    """Draw the variables of a network, all positive or not by turns, without compiling it."""
    rng = np.random.default_rng(3)

    def draw(path, like):
        x = rng.normal(0, 0.3, like.shape).astype(np.float32)
        return np.abs(x) + 0.1 if path[-1].key in ("var", "squares", "scale") else x

    return jax.tree_util.tree_map_with_path(
        draw, dict(jax.eval_shape(init, jax.random.key(0), *inputs))
    )


def trained(model="dcgan", size=28, **settings):
    """A generator of jaxgan's own, as one of a run."""
    known = {"model": model, "size": size, "width": 2, "channels": 1, "norm": "batch"}
    known |= {"latent_dim": 6} | settings
    form = [known[name] for name in ("size", "width", "channels", "norm")]
    network = PAIRS[model].generator(*form, classes=settings.get("classes", 0))
    labels = [jnp.zeros(1, jnp.int32)] if settings.get("classes") else []
    variables = drawn(network.init, jnp.zeros((1, 6)), *labels)
    arrays = {
        ".".join(p.key for p in path): np.asarray(x)
        for path, x in jax.tree_util.tree_flatten_with_path(variables)[0]
    }
    return own.assemble("a run", arrays, {"format": 2} | known, None)


def pretrained(plan, dim, layers=0, resolution=8, labels=0, **more):
    code = (1, layers, dim) if layers else (1, dim)
    turns = isinstance(plan.synthesis, stylegan3.Synthesis)
    still = [jnp.eye(3)[None]] if turns else []
    params = drawn(plan.synthesis.init, jnp.ones(code), *still)["params"]
    if plan.mapping is not None:
        rows = [jnp.ones((1, labels))] if labels else []
        mapping = drawn(plan.mapping.init, jnp.ones((1, dim)), *rows)["params"]
        params = {"mapping": mapping, "synthesis": params}
    params |= {"transform": np.eye(3, dtype=np.float32)} if turns else {}
    style = Style("first", 0, np.ones((4, dim), np.float32))
    return Pretrained(
        flavour="small",
        resolution=resolution,
        latent_dim=dim,
        num_layers=layers,
        params=params,
        styles=(style,),
        num_labels=labels,
        transforms=turns,
        blueprint=plan,
        **more,
        **functions(plan),
    )


def _stylegan3():
    bands = signals(16, layers=2, critical=1, margin=2)
    pairs = zip(bands, bands[1:], strict=False)
    ways = tuple(resampling(a, b, 3, radial=i == 0) for i, (a, b) in enumerate(pairs))
    network = stylegan3.Synthesis((4, 4, 4), bands[0], ways)
    return pretrained(Blueprint(network, stylegan2.Mapping(2)), 8, 4, 16)


def cloud():
    network = Generator((8, 8))
    units = {"mean": np.array([[1.0, -2.0]]), "scale": np.array([[3.0, 0.5]])}
    settings = {"model": "points", "widths": [8, 8], "latent_dim": 3, "latent": "normal"}
    return Cloud(settings, {"variables": drawn(network.init, jnp.zeros((1, 3))), **units})


L, W = upsampler.Layer, upsampler.Window
KINDS = {
    "dense": lambda: trained("report_dense"),
    "dcgan": lambda: trained(channels=3),
    "labelled dcgan": lambda: trained(classes=3),
    "sngan": lambda: trained("sngan", 32),
    "pggan": lambda: pretrained(Blueprint(pggan.Generator((4, 4)), normalised=True), 6),
    "stylegan": lambda: pretrained(
        Blueprint(stylegan.Synthesis((4, 4)), stylegan.Mapping(2), tanh=True), 8, 4
    ),
    "stylegan2": lambda: pretrained(
        Blueprint(stylegan2.Synthesis((4, 4), clamp=2.0), stylegan2.Mapping(2)),
        8,
        4,
        average=np.linspace(-1, 1, 8, dtype=np.float32),
    ),
    "labelled stylegan2": lambda: pretrained(
        Blueprint(stylegan2.Synthesis((4, 4), colours=4), stylegan2.Mapping(2)), 8, 4, labels=3
    ),
    "stylegan3": _stylegan3,
    "mobilestylegan": lambda: pretrained(
        Blueprint(mobilestylegan.Synthesis((4, 4)), stylegan2.Mapping(2)), 8, 5, 16
    ),
    "upsampler": lambda: pretrained(
        Blueprint(
            upsampler.Upsampler(
                (
                    *(
                        L("transposed", 4, 4),
                        L("instance", value=1e-5),
                        L("leaky_relu", value=0.2),
                    ),
                    *(L("enlarge", window=W(2)), L("conv", 3, 3, W(padding=1)), L("tanh")),
                )
            )
        ),
        6,
    ),
}


def images_of(generator, count=3):
    if generator.num_labels:
        generator = generator.with_labels(np.arange(generator.num_labels))
    z = np.random.default_rng(1).standard_normal((count, generator.z_dim))
    return np.asarray(generator.images(generator.codes(z, truncation=0.6)))
