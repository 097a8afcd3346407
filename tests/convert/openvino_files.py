"""OpenVINO networks by hand: a small MobileStyleGAN as its exporter writes it."""

from xml.sax.saxutils import quoteattr

import numpy as np

DIM, WIDTHS = 6, (8, 12, 8)  # of the first layer, and after each of two blocks
_KINDS = {"f": ("f32", "<f4"), "i": ("i64", "<i8")}


class Writer:
    """Collects operations; ``xml`` and ``constants`` are the two files.

    Args:
      half: Whether arrays are of half precision, with a conversion after each.
    """

    def __init__(self, half=False):
        self.layers, self.edges, self.constants = [], [], b""
        self.half = half

    def add(self, kind, name, *inputs, **data):
        number = len(self.layers)
        told = " ".join(f"{key}={quoteattr(str(value))}" for key, value in data.items())
        self.layers.append(
            f'<layer id="{number}" name={quoteattr(name)} type="{kind}" version="opset1">'
            f"<data {told}/></layer>"
        )
        for port, start in enumerate(inputs):
            self.edges.append(
                f'<edge from-layer="{start}" from-port="0" to-layer="{number}" '
                f'to-port="{port}"/>'
            )
        return number

    def const(self, name, array):
        kind, dtype = _KINDS[array.dtype.kind]
        half = self.half and kind == "f32"
        if half:
            kind, dtype = "f16", "<f2"
        content = np.ascontiguousarray(array, dtype).tobytes()
        offset = len(self.constants)
        self.constants += content
        shape = ", ".join(map(str, array.shape))
        number = self.add(
            "Const", name, element_type=kind, shape=shape, offset=offset, size=len(content)
        )
        return self.add("Convert", name, number, destination_type="f32") if half else number

    @property
    def xml(self):
        return (
            '<?xml version="1.0"?><net name="network" version="10">'
            f"<layers>{''.join(self.layers)}</layers><edges>{''.join(self.edges)}</edges></net>"
        ).encode()


def arrays_of(seed=0, dim=DIM, widths=WIDTHS):
    """Random numbers in the shapes of a generator's arrays, each by the name it is known by."""
    rng = np.random.default_rng(seed)

    def random(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    arrays = {"input.input": random(1, widths[0], 4, 4)}

    def style(name, inputs, scale=None):
        arrays[f"{name}.modulation.weight"] = random(inputs, dim)
        arrays[f"{name}.modulation.bias"] = 1 + random(inputs, scale=0.3)
        if scale is not None:
            arrays[f"{name}.modulation.scale"] = np.full((), scale, np.float32)

    def layer(name, inputs, outputs, side, split=True):
        style(f"{name}.conv", inputs, 1 / np.sqrt(9 * inputs))
        if split:
            arrays[f"{name}.conv.weight_dw"] = random(inputs, 1, 3, 3)
        kernel = (1, 1) if split else (3, 3)
        arrays[f"{name}.weight"] = random(outputs, inputs, *kernel, scale=inputs**-0.5)
        arrays[f"{name}.noise"] = random(1, 1, side, side, scale=0.3)
        arrays[f"{name}.bias"] = random(1, outputs, 1, 1, scale=0.3)

    layer("conv1", widths[0], widths[0], 4, split=False)
    for b, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
        style(f"layers.{b}.up", before)
        layer(f"layers.{b}.conv1", before // 4, after, 8 * 2**b)
        layer(f"layers.{b}.conv2", after, after, 8 * 2**b)
    name = f"layers.{len(widths) - 2}.to_img"
    style(f"{name}.conv", widths[-1], widths[-1] ** -0.5)
    arrays[f"{name}.conv.weight"] = random(12, widths[-1], 1, 1, scale=0.3)
    arrays[f"{name}.bias"] = random(1, 12, 1, 1, scale=0.1)
    for i in range(3):
        arrays[f"mapping.{i}.weight"] = random(dim, dim, scale=dim**-0.5)
        arrays[f"mapping.{i}.bias"] = random(dim, scale=0.3)
    return arrays


def mapping_file(arrays, half=False):
    file = Writer(half)
    code = file.add("Parameter", "var", element_type="f32", shape="1, 6")
    x = file.add("Multiply", "Mul_7", code, file.add("Power", "Div_6", code))
    for i in range(sum(name.endswith(".weight") for name in arrays if "mapping" in name)):
        weight = file.const(f"{2 * i + 170}", arrays[f"mapping.{i}.weight"])
        x = file.add("MatMul", f"MatMul_{i}", x, weight, transpose_b="true")
        bias = file.const(f"{2 * i + 171}", arrays[f"mapping.{i}.bias"])
        shape = file.add("Concat", f"Concat_{i}")
        x = file.add("Add", f"Add_{i}", x, file.add("Reshape", f"Reshape_{i}", bias, shape))
        x = file.add("PReLU", f"PReLU_{i}", x, file.const(f"slope{i}", np.full(1, 0.2)))
        gain = file.const(f"gain{i}", np.full((1, 1), 2**0.5))
        x = file.add("Multiply", f"Mul_{i}", x, gain)
    file.add("Result", "style", x)
    return file


class _Synthesis(Writer):
    """A synthesis network, or as much of it as there are arrays."""

    def __init__(self, arrays, half=False):
        super().__init__(half)
        self.arrays = arrays
        self.code = self.add("Parameter", "style", element_type="f32", shape="1, 6")
        tile = self.add("Tile", "Tile_10", self.known("input.input"))
        x = self.layer("conv1", tile)
        blocks = [name for name in arrays if name.endswith("up.modulation.weight")]
        for up in (name.removesuffix(".modulation.weight") for name in blocks):
            x = self.haar(self.style(up, x))
            x = self.layer(f"{up[:-2]}conv1", x)
            x = self.layer(f"{up[:-2]}conv2", x)
        to_img = f"{up[:-2]}to_img"
        x = self.style(f"{to_img}.conv", x)
        x = self.apply("Convolution", x, f"{to_img}.conv.weight")
        x = self.haar(self.apply("Add", x, f"{to_img}.bias"))
        self.add("Result", "img", x)

    def known(self, name, *axes):
        """Add an array, with axes of length one put in."""
        return self.const(f"m.{name}", np.expand_dims(self.arrays[name], axes))

    def apply(self, kind, x, name, *axes):
        """Apply an operation with an array, if there is one."""
        if name not in self.arrays:
            return x
        data = {"transpose_b": "true"} if kind == "MatMul" else {}
        return self.add(kind, f"{name}/{kind}", x, self.known(name, *axes), **data)

    def style(self, name, x):
        style = self.apply("MatMul", self.code, f"{name}.modulation.weight")
        style = self.apply("Add", style, f"{name}.modulation.bias", 0)
        style = self.add("Reshape", "Reshape", style, self.add("Concat", "Concat"))
        style = self.apply("Multiply", style, f"{name}.modulation.scale", 0, 1, 2, 3)
        return self.add("Multiply", "Mul", style, x)

    def layer(self, name, x):
        x = self.style(f"{name}.conv", x)
        x = self.apply("GroupConvolution", x, f"{name}.conv.weight_dw", 2)
        x = self.apply("Convolution", x, f"{name}.weight")
        x = self.apply("Add", self.apply("Add", x, f"{name}.noise"), f"{name}.bias")
        return self.add("PReLU", "LeakyRelu", x, self.const("slope", np.full(1, 0.2)))

    def haar(self, x):
        """The inverse transform, whose filters have an entry for each channel, here one."""
        bands = [self.add("VariadicSplit", "Split", x) for _ in range(4)]

        def join(pair, *shape):
            filters = (np.full(2, 0.5**0.5), np.array([0.5**0.5, -(0.5**0.5)]))
            taps = [self.const("taps", filter.reshape(1, 1, 1, *shape)) for filter in filters]
            kind = "GroupConvolutionBackpropData"
            sides = [self.add(kind, "Conv", *side) for side in zip(pair, taps, strict=True)]
            return self.add("Add", "Add", *sides)

        return join([join(bands[:2], 2, 1), join(bands[2:], 2, 1)], 1, 2)


def write(folder, arrays, names=("MappingNetwork", "SynthesisNetwork"), half=False):
    """Write the four files."""
    folder.mkdir(exist_ok=True)
    files = (mapping_file(arrays, half), _Synthesis(arrays, half))
    for name, file in zip(names, files, strict=True):
        (folder / f"{name}.xml").write_bytes(file.xml)
        (folder / f"{name}.bin").write_bytes(file.constants)
    return folder
