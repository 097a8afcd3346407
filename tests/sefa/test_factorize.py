import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert.generator import Style
from jaxgan.errors import InputError
from jaxgan.sefa.factorize import NORMALISATIONS, TO_RGB
from tests.convert.test_stylegan2_flavours import FLAVOURS, find, written
from tests.generators import DIM, LAYERS, line_of, linear, normal


def generator_of(*styles, layers=LAYERS):
    dim = styles[0].weight.shape[1]
    return dataclasses.replace(linear(layers), styles=styles, latent_dim=dim)


def stacked(generator, layers, normalisation, colours=()):
    """The rows that take part, in float64; ``colours`` are the layers whose colours do."""
    rows = [
        style.weight.astype(float)
        for style in generator.styles
        if style.layer in layers and (not style.to_rgb or style.layer in colours)
    ]
    rows = np.concatenate(rows)
    return (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) if normalisation == "unit" else rows
    )


def agree(found, rows):
    """Whether directions are the right singular vectors of rows."""
    _, singular, vectors = np.linalg.svd(rows)
    count = len(found.values)
    squares = np.pad(singular**2, (0, max(0, count - len(singular))))[:count]
    # Float64: an eigenvalue is right to the rounding of the largest.
    np.testing.assert_allclose(found.values, squares, atol=1e-12 * squares[0])
    cosines = np.abs((found.vectors * vectors[:count]).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)  # vectors are rounded to float32


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("layers", ["all", "0", "1-2", (3, 0)])
def test_values_are_squares_of_singular_values(normalisation, layers):
    generator = linear()
    found = sefa.directions(generator, layers, DIM, normalisation=normalisation, to_rgb="none")
    chosen = {"all": range(LAYERS), "0": [0], "1-2": [1, 2]}.get(str(layers), layers)
    rows = stacked(generator, chosen, normalisation)
    agree(found, rows)
    assert found.layers == (tuple(sorted(chosen)),) * DIM
    assert (found.normalisation, found.to_rgb) == (normalisation, "none")
    assert found.fingerprint == generator.fingerprint
    assert (np.diff(found.values) <= 0).all()
    np.testing.assert_allclose(found.shares, found.values / found.values.sum())


def test_fewer_directions_are_the_first_ones():
    every = sefa.directions(linear(), k=DIM)
    for k in (1, 3):
        some = sefa.directions(linear(), k=k)
        for name in ("vectors", "values", "shares"):
            np.testing.assert_array_equal(getattr(some, name), getattr(every, name)[:k])
    assert len(sefa.directions(linear()).vectors) == 5


@pytest.mark.parametrize("dead", [0, 3])
def test_unit_values_sum_to_the_number_of_rows_that_are_not_zero(dead):
    weight = normal(20, DIM)
    weight[:dead] = 0
    generator = generator_of(Style("a", 0, weight), Style("b", 2, 100 * normal(7, DIM)))
    found = sefa.directions(generator, k=DIM, normalisation="unit")
    assert found.values.sum() == pytest.approx(27 - dead, rel=1e-12)  # float64
    assert found.shares.sum() == pytest.approx(1, rel=1e-12)
    assert all(np.isfinite(part).all() for part in found[:3])


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("rows", [1, 4])
def test_zero_matrices_give_directions_of_value_0(normalisation, rows):
    generator = generator_of(Style("a", 0, np.zeros((rows, DIM), np.float32)))
    found = sefa.directions(generator, k=DIM, normalisation=normalisation)
    np.testing.assert_array_equal(found.values, 0)
    np.testing.assert_array_equal(found.shares, 0)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)


def test_fewer_rows_than_directions_leave_values_of_0():
    generator = generator_of(Style("a", 0, normal(2, DIM)))
    found = sefa.directions(generator, k=DIM)
    assert found.values[:2].sum() == pytest.approx(2, rel=1e-12)
    assert (found.values >= 0).all()
    assert (found.values[2:] < 1e-14).all()  # rounding of float64
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(DIM), atol=1e-6)


def test_a_planted_direction_comes_first():
    planted = normal(16, seed=5) / np.linalg.norm(normal(16, seed=5))
    weights = [normal(30, 16, seed=seed) for seed in (1, 2)]
    strong = [w + 20 * normal(30, 1, seed=9) * planted[None] for w in weights]
    generator = generator_of(Style("a", 0, strong[0]), Style("b", 1, strong[1]))
    found = sefa.directions(generator, k=2, normalisation="none")
    # The rest of the matrix, 20 times weaker, turns it by a few hundredths at the most.
    assert abs(found.vectors[0] @ planted) > 0.995
    assert found.shares[0] > 0.9 > 10 * found.shares[1]


def test_largest_component_is_positive():
    generator = generator_of(*(Style(str(i), i, normal(40, 24, seed=i)) for i in range(4)))
    vectors = sefa.directions(generator, k=24).vectors
    largest = vectors[np.arange(24), np.abs(vectors).argmax(axis=1)]
    assert (largest > 0).all()
    negated = [style._replace(weight=-style.weight) for style in generator.styles]
    np.testing.assert_array_equal(
        sefa.directions(generator_of(*negated), k=24).vectors, vectors
    )


def test_vectors_are_orthonormal():
    generator = generator_of(Style("a", 0, normal(300, 64)))
    found = sefa.directions(generator, k=64)
    assert (found.vectors.dtype, found.values.dtype) == (np.float32, np.float64)
    # Rounding to float32: 6e-8 of components below 1, 64 of them.
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(64), atol=1e-6)


def test_the_weak_tail_of_a_steep_spectrum_is_right(device):
    left, right = (np.linalg.qr(normal(n, n, seed=n).astype(float))[0] for n in (80, 32))
    steep = (left[:, :32] * np.logspace(0, -5, 32)) @ right
    weight = steep.astype(np.float32)
    _, singular, vectors = np.linalg.svd(weight.astype(float))
    with jax.default_device(device):
        found = sefa.directions(generator_of(Style("a", 0, weight)), k=32, normalisation="none")
    # Of squares down to 1e-10 float64 leaves six digits.
    np.testing.assert_allclose(found.values, singular**2, rtol=1e-5)
    np.testing.assert_allclose(np.abs((found.vectors * vectors).sum(axis=1)), 1, atol=1e-6)
    narrow = jnp.linalg.eigh(jnp.asarray(weight.T @ weight))[1].T[::-1]
    assert np.abs((narrow * vectors).sum(axis=1)).min() < 0.9  # what float32 makes of it
    assert not jax.config.jax_enable_x64


# Of the conversions to colours, in layers 1 and 3 of four.
RULES = {"first": [1], "last": [3], "all": [1, 3], "none": []}


def test_every_rule_for_colours_is_tested():
    assert set(RULES) == set(TO_RGB)


@pytest.mark.parametrize("rule", RULES)
def test_rules_for_colours(rule):
    generator = linear()
    found = sefa.directions(generator, k=DIM, normalisation="none", to_rgb=rule)
    agree(found, stacked(generator, range(LAYERS), "none", RULES[rule]))
    # The first and the last are those of the generator, whichever layers are chosen.
    some = sefa.directions(generator, "1", k=DIM, normalisation="none", to_rgb=rule)
    agree(some, stacked(generator, [1], "none", RULES[rule]))


@pytest.mark.parametrize(
    ("tool", "normalisation", "rule"),
    [("genforce", "unit", "last"), ("rosinality", "none", "first")],
)
def test_tools_differ_as_they_do(tool, normalisation, rule):
    generator = linear()
    found = sefa.directions(generator, k=DIM, like=tool)
    assert (found.normalisation, found.to_rgb) == (normalisation, rule)
    assert sefa.TOOLS[tool] == (normalisation, rule, False)
    agree(found, stacked(generator, range(LAYERS), normalisation, RULES[rule]))
    other = next(name for name in NORMALISATIONS if name != normalisation)
    changed = sefa.directions(generator, k=DIM, like=tool, normalisation=other, to_rgb="all")
    assert (changed.normalisation, changed.to_rgb) == (other, "all")
    agree(changed, stacked(generator, range(LAYERS), other, [1, 3]))


def test_genforce_is_the_default():
    assert sefa.directions(linear()).normalisation == "unit"
    assert sefa.directions(linear()).to_rgb == "last"


def test_unit_rows_forget_their_lengths():
    styles = linear().styles
    lengths = [np.exp(normal(len(s.weight), 1, seed=i)) for i, s in enumerate(styles)]
    scaled = [
        style._replace(weight=style.weight * length)
        for style, length in zip(styles, lengths, strict=True)
    ]
    found, plain = sefa.directions(generator_of(*scaled)), sefa.directions(linear())
    # The products are rounded to float32.
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-6)
    np.testing.assert_allclose(found.vectors, plain.vectors, atol=1e-5)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_the_order_of_the_matrices_does_not_matter(normalisation):
    styles = linear().styles
    order = np.random.default_rng(0).permutation(len(styles))
    assert order.tolist() != sorted(order)
    options = {"k": DIM, "normalisation": normalisation, "to_rgb": "all"}
    plain = sefa.directions(linear(), **options)
    mixed = sefa.directions(generator_of(*(styles[i] for i in order)), **options)
    np.testing.assert_allclose(mixed.values, plain.values, rtol=1e-12)  # sums in float64
    np.testing.assert_allclose(mixed.vectors, plain.vectors, atol=1e-6)


@pytest.mark.parametrize("layers", ["all", "0-1", "no list", "7", (99,)])
def test_layers_are_ignored_where_there_are_none(layers):
    generator = linear(layers=0)
    found = sefa.directions(generator, layers, k=DIM)
    assert found.layers == ((),) * DIM
    agree(found, stacked(generator, [0], "unit"))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("all", (0, 1, 2, 3, 4, 5, 6, 7)),
        (" all ", (0, 1, 2, 3, 4, 5, 6, 7)),
        ("0", (0,)),
        ("7", (7,)),
        ("0-1,6", (0, 1, 6)),
        (" 0 - 1 , 6 ", (0, 1, 6)),
        ("6,0-1", (0, 1, 6)),
        ("2-2", (2,)),
        ("1-3,2-4,3", (1, 2, 3, 4)),
        ("00,07", (0, 7)),
        ((3, 1, 3), (1, 3)),
        ([7], (7,)),
        (range(2), (0, 1)),
        (np.array([5, 2]), (2, 5)),
    ],
)
def test_lists_of_layers(layers, expected):
    found = sefa.select_layers(layers, 8)
    assert found == expected
    assert all(type(layer) is int for layer in found)
    assert sefa.select_layers(layers, 0) == ()


@pytest.mark.parametrize(
    "layers",
    [
        *("", " ", ",", "0,", ",0", "0,,1", "8", "0-8", "3-1", "-1", "-", "0-", "-1-2"),
        *("1-2-3", "1.0", "+1", "1e0", "0x1", "\u0663", "\u00b2", "a", "ALL", "all,0"),
        *("0;1", "0\n1", "1" * 5000, "0-999999999", (8,), (-1,), (0, 8), (), []),
    ],
)
def test_what_is_no_list_of_layers(layers):
    with pytest.raises(InputError) as error:
        sefa.select_layers(layers, 8)
    assert "'all', or a list such as 0-1,6 of 0 to 7" in line_of(error)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "0 directions: must be 1 to 6"),
        ({"k": -1}, "must be 1 to 6"),
        ({"k": DIM + 1}, "7 directions: must be 1 to 6"),
        ({"layers": "9"}, "of 0 to 3"),
        ({"least_spread": -1.0}, "must be a number of 0 or more"),
        ({"least_spread": float("nan")}, "must be a number of 0 or more"),
        ({"like": "ganspace"}, "unknown tool 'ganspace'; choose from genforce, rosinality"),
        ({"normalisation": "l2"}, "unknown normalisation 'l2'; choose from unit, none"),
        ({"to_rgb": "some"}, "choose from first, last, all, none"),
    ],
)
def test_arguments_out_of_range(arguments, words):
    with pytest.raises(InputError) as error:
        sefa.directions(linear(), **arguments)
    assert words in line_of(error)


def test_layers_without_a_matrix_that_takes_part():
    last = Style("colours", 3, normal(2, DIM), to_rgb=True)
    generator = generator_of(Style("a", 0, normal(9, DIM)), last)
    agree(sefa.directions(generator, "3", k=2), stacked(generator, [3], "unit", [3]))
    with pytest.raises(InputError) as error:
        sefa.directions(generator, "3", to_rgb="none")
    assert "layers 3 have no matrix to factorise" in line_of(error)


# StyleGAN2 as three tools write it, and what those tools found and made.


def covariance_of(generator, codes=200_000):
    """The covariance of many codes, whose latents the generator does not choose itself."""
    return np.cov(np.asarray(generator.encode(generator.params, normal(codes, DIM, seed=9))).T)


def test_whitened_directions_are_principal_components():
    generator = linear()
    found = sefa.directions(
        generator, "1-2", DIM, normalisation="none", to_rgb="none", whiten=True
    )
    rows = stacked(generator, (1, 2), "none")
    encode = generator.params["encode"].astype(np.float64)  # so the covariance is known
    values, styles = np.linalg.eigh(rows @ encode.T @ encode @ rows.T)
    # The covariance is that of 16,384 codes: wrong by some 2 % of what is largest.
    scale = values[-1]
    np.testing.assert_allclose(found.values, values[::-1][:DIM], atol=0.03 * scale)
    for k in range(3):
        moved = rows @ found.vectors[k]
        cosine = abs(moved @ styles[:, -1 - k]) / np.linalg.norm(moved)
        assert cosine > 0.99
        # As GANSpace finds its directions: codes regressed on the component's scores.
        regressed = encode.T @ encode @ rows.T @ styles[:, -1 - k]
        assert abs(found.vectors[k] @ regressed) > 0.99 * np.linalg.norm(regressed)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found.shares.sum(), 1)
    with pytest.raises(AssertionError):  # of the codes, not orthogonal
        np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(DIM), atol=1e-3)


def test_latents_are_white_already():
    generator = linear(layers=0)
    plain = sefa.directions(generator, k=DIM)
    white = sefa.directions(generator, k=DIM, whiten=True)
    np.testing.assert_allclose(white.vectors, plain.vectors, atol=1e-6)
    np.testing.assert_allclose(white.values, plain.values)


def test_the_own_recipe_is_whitened():
    own, named = (
        sefa.directions(linear(), like=like, whiten=whiten)
        for like, whiten in (("jaxgan", None), ("genforce", True))
    )
    np.testing.assert_array_equal(own.vectors, named.vectors)
    assert own.whitened
    assert not sefa.directions(linear()).whitened
    plain = sefa.directions(linear(), like="jaxgan", whiten=False)
    np.testing.assert_array_equal(plain.vectors, sefa.directions(linear()).vectors)


def test_codes_that_hardly_vary_have_fewer_directions():
    encode = normal(DIM, DIM, seed=2)
    encode[:, 2:] = 0  # codes vary along two axes only
    generator = linear()
    flat = dataclasses.replace(generator, params=generator.params | {"encode": encode})
    found = sefa.directions(flat, k=2, whiten=True)
    np.testing.assert_allclose(found.vectors[:, 2:], 0, atol=1e-6)
    with pytest.raises(InputError) as error:
        sefa.directions(flat, k=3, whiten=True)
    assert "codes vary along fewer than 3 directions" in line_of(error)


def test_spreads_are_standard_deviations_of_codes():
    generator = linear()
    found = sefa.directions(generator, k=DIM)
    exact = found.vectors @ covariance_of(generator) @ found.vectors.T
    spreads = sefa.spreads(generator, found.vectors)
    # Of 16,384 codes: a standard deviation is wrong by 0.6 % in one case of three.
    np.testing.assert_allclose(spreads, np.sqrt(np.diag(exact)), rtol=0.03)
    mean = sefa.mean_spread(generator)
    np.testing.assert_allclose(mean, np.sqrt(np.square(spreads).mean()), rtol=1e-6)
    np.testing.assert_allclose(sefa.spreads(linear(layers=0), found.vectors), 1, rtol=1e-6)


def test_directions_that_codes_hardly_take_are_left_out():
    generator = linear()
    every = sefa.directions(generator, k=DIM)
    relative = sefa.spreads(generator, every.vectors) / sefa.mean_spread(generator)
    bound = relative[1] + 1e-6
    kept = relative >= bound
    count = kept.sum()
    assert 0 < count < DIM - 1
    found = sefa.directions(generator, k=count, least_spread=bound)
    np.testing.assert_array_equal(found.vectors, every.vectors[kept])
    np.testing.assert_allclose(found.shares, every.shares[kept])
    with pytest.raises(InputError) as error:
        sefa.directions(generator, k=count + 1, least_spread=bound)
    assert f"{count} directions have a spread" in line_of(error)


def test_groups_of_layers_have_their_own_directions():
    generator = linear()
    found = sefa.directions(generator, "0-1/2,3/1", k=2)
    assert found.layers == ((0, 1),) * 2 + ((2, 3),) * 2 + ((1,),) * 2
    for i, layers in enumerate(("0-1", "2-3", "1")):
        alone = sefa.directions(generator, layers, k=2)
        for name in ("vectors", "values", "shares"):
            part = getattr(found, name)[2 * i : 2 * i + 2]
            np.testing.assert_array_equal(part, getattr(alone, name))
    for wrong in ("0-1/", "/1", "0-1//2", "0/9"):
        with pytest.raises(InputError) as error:
            sefa.directions(generator, wrong)
        assert "of 0 to 3" in line_of(error)


@pytest.mark.parametrize("like", sefa.TOOLS)
def test_flavours_of_one_network_have_the_same_directions(like):
    first, *others = (
        sefa.directions(find(flavour, written(flavour)), "0-1,5", 8, like=like)
        for flavour in FLAVOURS
    )
    assert len(others) == 3
    for other in others:
        assert (other.layers, other.fingerprint) == (first.layers, first.fingerprint)
        for name in ("vectors", "values", "shares"):
            np.testing.assert_array_equal(getattr(other, name), getattr(first, name))


def assert_found(found, vectors, values):
    cosines = np.abs((found.vectors * vectors[:20]).sum(axis=1))
    assert (cosines >= 1 - 1e-6).all()  # float32 vectors of weights that are read exactly
    np.testing.assert_allclose(found.values, values[:20], rtol=1e-6)


def assert_images(images, expected):
    """Equal to images ``[N, 3, H, W]`` but for float32 through a dozen layers: some 1e-6."""
    expected = expected.transpose(0, 2, 3, 1)
    assert images.shape == expected.shape
    assert np.abs(np.asarray(images) - expected).max() <= 2e-5 * np.abs(expected).max()


MOVED = (
    "genforce_pggan_32",
    "genforce_stylegan_32",
    pytest.param("genforce_stylegan_128", marks=pytest.mark.slow),
    "genforce_stylegan2_32",
    "nvlabs_stylegan2_ada_32",
)


@pytest.mark.parametrize("name", MOVED)
def test_images_that_the_reference_moved(name, golden):
    path, expected = golden(name)
    g = convert.load(path)
    layers = expected.get("layers", "all") if g.num_layers else "all"
    d = sefa.directions(g, layers=layers, k=20, like="genforce")
    assert_found(d, expected["directions"], expected["eigenvalues"])
    truncation = {}
    if g.num_layers:
        truncation["truncation"] = float(expected["psi"])
        truncation["truncation_layers"] = int(expected["trunc_layers"])
    codes = g.codes(expected["z"], **truncation)
    assert_images(g.images(codes), expected.get("image_truncated", expected["image"]))
    number = int(expected.get("moved_direction", 0))
    # The reference's directions have any sign.
    sign = np.sign(d.vectors[number] @ expected["directions"][number])
    moved_layers = expected.get("moved_layers", d.layers[0])
    moved = sefa.move(
        codes,
        d.vectors[number],
        distance=sign * float(expected["distance"]),
        layers=tuple(moved_layers),
    )
    assert_images(g.images(moved), expected["moved_image"])


def test_directions_that_rosinality_found(golden):
    path, expected = golden("rosinality_stylegan2_32")
    g = convert.load(path)
    d = sefa.directions(g, k=20, like="rosinality")
    assert_found(d, expected["rosinality_directions"], expected["rosinality_eigenvalues"])
    codes = g.codes(expected["z"], truncation=float(expected["psi"]))
    assert_images(g.images(codes), expected["image_truncated"])
    moved = sefa.move(codes, d.vectors[0], distance=3.0, layers=d.layers[0])
    back = sefa.move(moved, d.vectors[0], distance=-3.0, layers=d.layers[0])
    assert np.abs(np.asarray(g.images(moved)) - g.images(codes)).max() > 0.01
    assert_images(g.images(back), expected["image_truncated"])
