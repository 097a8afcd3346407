"""The layers of an ``Upsampler`` in PyTorch, which is fast for small ones: nothing compiles."""


def run_layers(torch, layers, params, z):
    """Images ``[N, H, W, C]`` that PyTorch makes of the layers of an ``Upsampler``."""
    functional = torch.nn.functional
    x = torch.tensor(z)[:, :, None, None]
    for i, layer in enumerate(layers):
        own = {k: torch.tensor(v) for k, v in params.get(f"layer_{i}", {}).items()}
        own = {k: v.permute(0, 3, 1, 2) if k != "kernel" else v for k, v in own.items()}
        match layer.kind:
            case "transposed":
                stride, padding, extra = layer.window
                w = own["kernel"].permute(3, 2, 0, 1)
                x = functional.conv_transpose2d(x, w, None, stride, padding, extra)
                x = x + own["bias"]
            case "conv":
                w = own["kernel"].permute(3, 2, 0, 1)
                x = functional.conv2d(x, w, None, *layer.window[:2]) + own["bias"]
            case "enlarge":
                x = functional.interpolate(x, scale_factor=layer.window.stride)
            case "scale":
                x = x * own["scale"] + own["shift"]
            case "instance":
                x = functional.instance_norm(x, eps=layer.value) * own["scale"] + own["shift"]
            case "prelu":
                x = torch.where(x > 0, x, own["slope"] * x)
            case "elu" | "leaky_relu":
                x = getattr(functional, layer.kind)(x, layer.value)
            case _:
                x = getattr(functional, layer.kind)(x)
    return x.permute(0, 2, 3, 1).numpy()
