"""Messages for files that are not checkpoints: what they are, and what to do."""

import re

_STARTS = {  # leading bytes of a file, at an offset
    (0, b"\x89HDF\r\n\x1a\n"): "is an HDF5 file, as Keras writes them, which is not supported; "
    "save the weights as a state dict of PyTorch or as safetensors",
    (
        4,
        b"TFL3",
    ): "is a TensorFlow Lite model, which is not supported; save the original network",
    (0, b"GGUF"): "is a GGUF file, which holds a language model, not a generator of images",
    (0, b"\x93NUMPY"): "is a numpy array, not a checkpoint",
    (0, b"version https://git-lfs"): "is a pointer of Git LFS, not the file itself: "
    "fetch that with 'git lfs pull'",
    (0, b"\xfd7zXZ\0"): "is packed with xz: unpack it first (xz -d)",
    (0, b"\x28\xb5\x2f\xfd"): "is packed with zstd: unpack it first (zstd -d)",
    (0, b"BZh"): "is packed with bzip2: unpack it first (bzip2 -d)",
    (0, b"7z\xbc\xaf\x27\x1c"): "is a 7z archive: unpack it first",
    (0, b"Rar!\x1a\7"): "is a RAR archive: unpack it first",
    (0, b"\x89PNG\r\n"): "is a PNG image, not a checkpoint",
    (0, b"\xff\xd8\xff"): "is a JPEG image, not a checkpoint",
    (0, b"GIF8"): "is a GIF image, not a checkpoint",
    (0, b"%PDF"): "is a PDF document, not a checkpoint",
    (0, b"\x7fELF"): "is a program, not a checkpoint",
}
_WEB = "is a web page, not a checkpoint: the download needs a login or another address"
_JSON = (
    "is a JSON text, not a checkpoint; if it was downloaded, it is an answer of the server: "
)
_TENSORFLOW = (
    "is a TensorFlow graph or SavedModel, which is not supported; of TensorFlow's networks "
    "only the pickles of StyleGAN are"
)
_ONNX = "is an ONNX model, which is not supported; save the original network's state dict"
_TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # ends the index of a TensorFlow checkpoint


def describe(head: bytes, tail: bytes, suffix: str = "") -> str:
    """Describe a file that is not a checkpoint.

    Args:
      head: Its first bytes, a few hundred.
      tail: Its last bytes, at least 8.
      suffix: Suffix of its name.
    """
    if not head:
        return "is empty"
    for (offset, start), sentence in _STARTS.items():
        if head.startswith(start, offset):
            return sentence
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return _WEB
    if tail.endswith(_TABLE_END):
        return "is the index of a TensorFlow checkpoint, which is not supported"
    if suffix == ".onnx" or re.match(rb"\x08[\x03-\x20](\x12|:|B)", head):
        return _ONNX
    if suffix == ".pb" or head.startswith(b"\x08\x01\x12"):
        return _TENSORFLOW
    if re.match(rb"(?:[\x81-\x8f]|\xde..)[\xa1-\xbf]\w{3}", head, re.DOTALL):
        return "is a msgpack file, as Flax writes them, which is not supported"
    if re.fullmatch(rb"[\t\r\n -~\x80-\xff]+", text) and re.search(rb"[ -~]{4}", text):
        line = ascii(text[:40].decode("latin1").split("\n")[0].strip())
        return f"{_JSON if text[:1] == b'{' else 'is a text, not a checkpoint: '}{line}"
    return f"is not a PyTorch checkpoint: it starts with {ascii(head[:8])[1:]}"
