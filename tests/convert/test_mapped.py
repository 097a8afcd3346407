import os

import numpy as np
import pytest

from jaxgan.convert.formats import mapped


def resident(path):
    """Bytes of a mapped file that are in this process's memory."""
    size, inside = 0, False
    with open("/proc/self/smaps") as lines:
        for line in lines:
            if "-" in line.split(" ")[0] and not line.split(" ")[0].endswith(":"):
                inside = line.rstrip().endswith(str(path))
            elif inside and line.startswith("Rss:"):
                size += 1024 * int(line.split()[1])
    return size


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs Linux's /proc")
def test_pages_that_are_forgotten_leave_memory_and_are_read_again(tmp_path):
    content = np.random.default_rng(0).integers(0, 256, 2**22, np.uint8)
    path = tmp_path / "file"
    path.write_bytes(content.tobytes())
    array = np.frombuffer(mapped.open_file(path)[100:], np.uint8)
    assert array.sum() == content[100:].sum()
    assert resident(path) >= 2**22
    mapped.forget(array[: 2**21].reshape(2, -1).T)
    assert resident(path) <= 2**21 + 2**17
    np.testing.assert_array_equal(array, content[100:])


def test_what_is_not_mapped_stays(tmp_path):
    array = np.arange(2**16)
    mapped.forget(array)
    mapped.forget(np.frombuffer(bytes(2**17), np.uint8))
    assert array[-1] == 2**16 - 1
    (tmp_path / "empty").touch()
    assert len(mapped.open_file(tmp_path / "empty")) == 0


def test_a_mapped_file_is_read_only(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    with pytest.raises(TypeError):
        mapped.open_file(tmp_path / "file")[0] = 1
