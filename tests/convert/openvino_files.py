"""OpenVINO networks by hand: a small MobileStyleGAN as its exporter writes it."""

from xml.sax.saxutils import quoteattr

import numpy as np

DIM, WIDTHS = 6, (8, 12, 8)  # of the first layer, and after each of two blocks


class Writer:
    """Collects operations; ``xml`` and ``constants`` are the two files."""

    def __init__(self):
        self.layers, self.edges, self.constants = [], [], b""

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
        kind = {"f": "f32", "i": "i64"}[array.dtype.kind]
        content = np.ascontiguousarray(array, {"f32": "<f4", "i64": "<i8"}[kind]).tobytes()
        offset = len(self.constants)
        self.constants += content
        shape = ", ".join(map(str, array.shape))
        return self.add(
            "Const", name, element_type=kind, shape=shape, offset=offset, size=len(content)
        )

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

    arrays = {"m.input.input": random(1, widths[0], 4, 4)}

    def style(name, inputs, scale=None):
        arrays[f"{name}.modulation.weight"] = random(inputs, dim)
        arrays[f"{name}.modulation.bias"] = 1 + random(1, inputs, scale=0.3)
        if scale is not None:
            arrays[f"{name}.modulation.scale"] = np.full((1, 1, 1, 1), scale, np.float32)

    def layer(name, inputs, outputs, side, split=True):
        style(f"{name}.conv", inputs, 1 / np.sqrt(9 * inputs))
        if split:
            arrays[f"{name}.conv.weight_dw"] = random(inputs, 1, 1, 3, 3)
        kernel = (1, 1) if split else (3, 3)
        arrays[f"{name}.weight"] = random(outputs, inputs, *kernel, scale=inputs**-0.5)
        arrays[f"{name}.noise"] = random(1, 1, side, side, scale=0.3)
        arrays[f"{name}.bias"] = random(1, outputs, 1, 1, scale=0.3)

    layer("m.conv1", widths[0], widths[0], 4, split=False)
    for b, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
        style(f"m.layers.{b}.up", before)
        layer(f"m.layers.{b}.conv1", before // 4, after, 8 * 2**b)
        layer(f"m.layers.{b}.conv2", after, after, 8 * 2**b)
    name = f"m.layers.{len(widths) - 2}.to_img"
    style(f"{name}.conv", widths[-1], widths[-1] ** -0.5)
    arrays[f"{name}.conv.weight"] = random(12, widths[-1], 1, 1, scale=0.3)
    arrays[f"{name}.bias"] = random(1, 12, 1, 1, scale=0.1)
    for i in range(3):
        arrays[f"mapping.{i}.weight"] = random(dim, dim, scale=dim**-0.5)
        arrays[f"mapping.{i}.bias"] = random(dim, scale=0.3)
    return arrays


def mapping_file(arrays):
    file = Writer()
    x = file.add("Parameter", "var", element_type="f32", shape="1, 6")
    for i in range(sum(name.endswith(".weight") for name in arrays if "mapping" in name)):
        weight = file.const(f"{2 * i + 170}", arrays[f"mapping.{i}.weight"])
        x = file.add("MatMul", f"MatMul_{i}", x, weight, transpose_b="true")
        bias = file.const(f"{2 * i + 171}", arrays[f"mapping.{i}.bias"])
        shape = file.add("Concat", f"Concat_{i}")
        x = file.add("Add", f"Add_{i}", x, file.add("Reshape", f"Reshape_{i}", bias, shape))
        x = file.add("PReLU", f"PReLU_{i}", x, file.const(f"slope{i}", np.full(1, 0.2)))
    return file


def synthesis_file(arrays):
    """The parts of the graph that names do not tell, and of the rest as much as is needed."""
    file = Writer()
    code = file.add("Parameter", "style", element_type="f32", shape="1, 6")
    numbers = {}
    for name, array in arrays.items():
        if name.startswith("m.") and not name.endswith((".scale", ".noise")):
            plain = name.endswith((".conv1.weight", ".conv2.weight"))
            numbers[name] = file.const(f"Mul_{len(numbers)}_copy" if plain else name, array)
    for name in numbers:
        before = name.removesuffix(".modulation.weight")
        if before != name:
            product = file.add("MatMul", f"{name}/product", code, numbers[name])
            added = file.add(
                "Add", f"{name}/sum", product, numbers[f"{before}.modulation.bias"]
            )
            shaped = file.add("Reshape", f"{name}/shaped", added, file.add("Concat", "shape"))
            scale = arrays.get(f"{before}.modulation.scale")
            by = file.add("Anything", "x") if scale is None else file.const("scale", scale)
            file.add("Multiply", f"{name}/scaled", shaped, by)
        before = name.removesuffix(".bias")
        if f"{before}.noise" in arrays:
            taps = file.add("GroupConvolution", f"{before}/taps")
            product = file.add(
                "Convolution", f"{before}/conv", taps, numbers[f"{before}.weight"]
            )
            noise = file.const("noise", arrays[f"{before}.noise"])
            noisy = file.add("Add", f"{before}/noisy", product, noise)
            file.add("Add", f"{before}/sum", noisy, numbers[name])
    return file


def write(folder, arrays):
    """Write the four files."""
    folder.mkdir(exist_ok=True)
    for name, file in (
        ("MappingNetwork", mapping_file(arrays)),
        ("SynthesisNetwork", synthesis_file(arrays)),
    ):
        (folder / f"{name}.xml").write_bytes(file.xml)
        (folder / f"{name}.bin").write_bytes(file.constants)
    return folder
