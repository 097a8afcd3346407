"""Files of bytes."""

import pytest


@pytest.fixture
def file(tmp_path):
    """Writes bytes to a file and returns its path."""

    def write(content, title="file.pth"):
        path = tmp_path / title
        path.unlink(missing_ok=True)  # some file systems take long to write over a file
        path.write_bytes(content)
        return path

    return write
