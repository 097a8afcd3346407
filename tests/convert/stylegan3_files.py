"""A tiny StyleGAN3 of random numbers, and its plain form: one example, float64, no tricks.

The plain form stuffs signals with zeros, pads them, and convolves in two dimensions with
kernels that are modulated.
"""

import math

import numpy as np
from scipy import signal, special

SIDE, DIM, LAYERS, CRITICAL = 32, 6, 4, 1
CHANNELS = (4, 3, 3, 2, 2)  # of the waves and of the layers
SETTINGS = {"num_critical": CRITICAL, "margin_size": 4}
CODES = LAYERS + 2


def bands(side=SIDE, layers=LAYERS, critical=CRITICAL, margin=4):
    """Rates, cutoffs, half of the transition bands, and sizes: appendix C of the paper."""
    rows = []
    for i in range(layers + 1):
        power = min(i / (layers - critical), 1)
        cutoff = 2 * (side / 4) ** power
        stop = 2**2.1 * (side / 2 * 2**0.3 / 2**2.1) ** power
        rate = 2 ** math.ceil(math.log2(min(2 * stop, side)))
        size = side if i >= layers - 1 else rate + 2 * margin
        rows.append((rate, cutoff, max(stop, rate / 2) - cutoff, size))
    return rows


def low_pass(count, cutoff, half_width, rate, radial=False):
    """A window after Kaiser times the ideal filter, ``[count, count]``, of sum 1."""
    decibels = 2.285 * (count - 1) * math.pi * (4 * half_width / rate) + 7.95
    if decibels > 50:
        beta = 0.1102 * (decibels - 8.7)
    else:
        beta = 0.5842 * max(decibels - 21, 0) ** 0.4 + 0.07886 * max(decibels - 21, 0)
    n = np.arange(count) - (count - 1) / 2
    window = special.i0(beta * np.sqrt(1 - (2 * n / (count - 1)) ** 2)) / special.i0(beta)
    if radial:
        r = np.hypot(n[:, None], n) / rate
        ideal = special.j1(2 * np.pi * cutoff * r) / r
    else:
        line = np.sinc(2 * cutoff * n / rate)
        ideal = np.outer(line, line)
    taps = ideal * np.outer(window, window)
    return taps / taps.sum()


def activated(x, clamp=np.inf):
    return np.clip(math.sqrt(2) * np.where(x > 0, x, 0.2 * x), -clamp, clamp)


def nonlinear(x, source, target, kernel, radial, clamp=np.inf):
    """``[C, H, W] -> [C, h, w]``: raise the rate, apply the leaky ReLU, lower it."""
    high = 2 * max(source[0], target[0])
    up, down = high // source[0], high // target[0]
    f = low_pass(6 * up, source[1], source[2], high)
    g = low_pass(6 * down, target[1], target[2], high, radial)
    # What the output needs, less what the input of the layer covers, goes around it.
    missing = (target[3] - 1) * down + 1 - (source[3] + kernel - 1) * up
    missing += 6 * up + 6 * down - 2
    before = math.floor((missing + up) / 2)
    out = []
    for image in x:
        stuffed = np.zeros([up * side for side in image.shape])
        stuffed[::up, ::up] = up**2 * image
        wide = np.pad(stuffed, 1000)
        size = (target[3] - 1) * down + len(g) + len(f) - 1
        start = 1000 - before
        part = wide[start : start + size, start : start + size]
        y = activated(signal.convolve2d(part, f, "valid"), clamp)
        out.append(signal.convolve2d(y, g, "valid")[::down, ::down])
    return np.array(out)


def convolved(x, weight, style, demodulate):
    """``[I, H, W] -> [O, h, w]``, wherever a kernel of ``weight`` touches the input."""
    inputs, taps = weight.shape[1], weight[0, 0].size
    if demodulate:
        weight = weight / np.sqrt(np.square(weight).mean(axis=(1, 2, 3), keepdims=True))
        style = style / np.sqrt(np.square(style).mean())
    else:
        style = style / math.sqrt(inputs * taps)
    weight = weight * style[None, :, None, None]
    if demodulate:
        norm = np.square(weight).sum(axis=(1, 2, 3), keepdims=True)
        weight = weight / np.sqrt(norm + 1e-8)
    maps = [
        [signal.correlate2d(a, k, "full") for a, k in zip(x, row, strict=True)]
        for row in weight
    ]
    return np.sum(maps, axis=1)


def dense(arrays, name, x, rate=1.0):
    weight = np.float64(arrays[f"{name}.weight"])
    return rate * (x @ weight.T / math.sqrt(weight.shape[1]) + arrays[f"{name}.bias"])


def normalised(x):
    return x / np.sqrt(np.square(x).mean() + 1e-8)


def mapped(arrays, z, label=None):
    """``[Z] -> [D]``."""
    x = normalised(np.float64(z))
    if label is not None:
        x = np.concatenate([x, normalised(dense(arrays, "mapping.embed", label))])
    for i in range(2):
        x = activated(dense(arrays, f"mapping.fc{i}", x, 0.01))
    return x


def waves(arrays, code, transform=None):
    """``[D] -> [C, H, W]``."""
    rate, cutoff, _, size = bands()[0]
    cos, sin, right, down = dense(arrays, "synthesis.input.affine", code)
    length = math.hypot(cos, sin)
    cos, sin, right, down = (x / length for x in (cos, sin, right, down))
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    shift = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])
    whole = turn @ shift @ arrays["synthesis.input.transform"]
    if transform is not None:
        whole = whole @ transform
    frequencies = np.float64(arrays["synthesis.input.freqs"])
    line = (np.arange(size) - (size - 1) / 2) / rate
    y, x = np.meshgrid(line, line, indexing="ij")
    places = np.stack([x, y, np.ones_like(x)])
    places = np.einsum("ij,jhw->ihw", whole, places)[:2]
    phases = np.einsum("cj,jhw->chw", frequencies, places)
    phases += arrays["synthesis.input.phases"][:, None, None]
    length = np.linalg.norm(frequencies @ whole[:2, :2], axis=1)
    height = np.clip(1 - (length - cutoff) / (rate / 2 - cutoff), 0, 1)
    mixed = np.float64(arrays["synthesis.input.weight"]) / math.sqrt(len(height))
    return np.einsum("oc,chw->ohw", mixed, np.sin(2 * np.pi * phases) * height[:, None, None])


def painted(arrays, codes, transform=None, clamp=256.0, radial=False, names=None):
    """``[L, D] -> [H, W, colours]``."""
    x, rows = waves(arrays, codes[0], transform), bands()
    names = names or layer_names()
    for i, name in enumerate(names):
        weight = np.float64(arrays[f"{name}.weight"])
        last = i == LAYERS
        style = dense(arrays, f"{name}.affine", codes[i + 1])
        y = convolved(x, weight, style, demodulate=not last)
        y = y / np.sqrt(arrays[f"{name}.magnitude_ema"])
        y = y + arrays[f"{name}.bias"][:, None, None]
        here = radial and i < LAYERS - CRITICAL
        source, kernel = rows[max(i - 1, 0)], weight.shape[2]
        if last:
            x = np.clip(y, -clamp, clamp)
        else:
            x = nonlinear(y, source, rows[i], kernel, here, clamp)
    return 0.25 * x.transpose(1, 2, 0)


def layer_names(colours=3):
    channels = (*CHANNELS[1:], colours)
    sizes = [row[3] for row in bands()]
    return [f"synthesis.L{i}_{sizes[i]}_{channels[i]}" for i in range(LAYERS + 1)]


def make_arrays(kernel=3, radial=False, labels=0, z_dim=5, colours=3, filters=True, seed=0):
    """Arrays of a generator by the names that they have in its state dict."""
    rng = np.random.default_rng(seed)

    def normal(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    def linear(name, outputs, inputs, scale=1.0, bias=0.0):
        weight, shift = normal(outputs, inputs, scale=scale), normal(outputs, scale=0.3 * scale)
        return {f"{name}.weight": weight, f"{name}.bias": shift + np.float32(bias)}

    arrays = linear("mapping.embed", DIM, labels) if labels else {}
    arrays |= linear("mapping.fc0", DIM, z_dim + DIM * bool(labels), 100)
    arrays |= linear("mapping.fc1", DIM, DIM, 100) | {"mapping.w_avg": normal(DIM)}
    first = CHANNELS[0]
    turned = np.array([[0.9, 0.2, 0.05], [-0.2, 0.9, 0], [0, 0, 1]], np.float32)
    arrays |= linear("synthesis.input.affine", 4, DIM, 0.3) | {
        "synthesis.input.affine.bias": np.array([1, 0.2, 0.1, -0.1], np.float32),
        "synthesis.input.weight": normal(first, first),
        "synthesis.input.transform": turned,
        "synthesis.input.freqs": normal(first, 2, scale=1.5),
        "synthesis.input.phases": normal(first),
    }
    rows = bands()
    inputs = (first, *CHANNELS[1:])
    for i, name in enumerate(layer_names(colours)):
        last = i == LAYERS
        outputs, k = (colours, 1) if last else (CHANNELS[i + 1], kernel)
        arrays |= linear(f"{name}.affine", inputs[i], DIM, bias=1)
        arrays[f"{name}.weight"] = normal(outputs, inputs[i], k, k)
        arrays[f"{name}.bias"] = normal(outputs, scale=0.05)
        arrays[f"{name}.magnitude_ema"] = np.float32(rng.uniform(0.1, 0.3))
        if filters and not last:
            source, target = rows[max(i - 1, 0)], rows[i]
            high = 2 * max(source[0], target[0])
            here = radial and i < LAYERS - CRITICAL
            up = low_pass(6 * high // source[0], source[1], source[2], high)
            down = low_pass(6 * high // target[0], target[1], target[2], high, here)
            arrays[f"{name}.up_filter"] = up.sum(axis=0)
            arrays[f"{name}.down_filter"] = down if here else down.sum(axis=0)
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}
