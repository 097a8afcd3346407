"""Which files of a folder belong to a run, and which to the user."""

import pytest

from jaxgan.runs import Run, outputs

OURS = ("000001.png", "20240101.png", "labels.csv", "walk.gif", "neighbours.json")


@pytest.mark.parametrize("laboratory", ["generate", "faces", None])
def test_files_of_generate_are_those_of_its_own_folders(laboratory, tmp_path):
    settings = {} if laboratory is None else {"laboratory": laboratory}
    with Run(tmp_path, settings):
        pass
    for name in (*OURS, "summary.json", "letter.txt"):
        (tmp_path / name).write_text("{}")
    expected = {"summary.json", *(OURS if laboratory == "generate" else ())}
    assert {path.name for path in outputs.outputs(tmp_path)} == expected
    with Run(tmp_path, settings | {"seed": 1}, fresh=True):
        pass
    left = {path.name for path in tmp_path.iterdir()} - {"config.json", "lock"}
    assert left == {"letter.txt", *OURS, "summary.json"} - expected


@pytest.mark.parametrize("content", ["[]", "{", '{"settings": []}', "[" * 10**5])
def test_a_configuration_of_any_kind_is_read(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    for name in (*OURS, "summary.json"):
        (tmp_path / name).write_text("")
    assert [path.name for path in outputs.outputs(tmp_path)] == ["summary.json"]
