import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.runs import records as runs_records
from jaxgan.runs.records import Cell, Laboratory, Lane, Record, commit, key, path_of, write
from jaxgan.runs.study import gather


class Counting:
    """A laboratory that counts what it trains; equal first letters share a program."""

    def __init__(self, problem=lambda lanes: None, **fields):
        self.trained = []

        def train(lanes, work):
            self.trained.append([(lane.cell.config, lane.seed) for lane in lanes])
            problem(self)
            work.tell(0.5)
            return [Record({"x": np.float64(lane.seed)}, {"seconds": 1.0}) for lane in lanes]

        fields = {
            "train": train,
            "program": lambda name: name[0],
            "shapes": lambda name: {"x": ()},
        } | fields
        self.laboratory = Laboratory("toy", 1, lambda name: {"c": name}, **fields)

    def cells(self, *names):
        return [Cell(self.laboratory, name) for name in names]


def test_lanes_of_one_program_run_together_and_once(tmp_path):
    toy = Counting()
    cells = toy.cells("a1", "b1", "a2")
    records = gather(tmp_path, cells, 2)
    together = [("a1", 0), ("a1", 1), ("a2", 0), ("a2", 1)]
    assert toy.trained == [together, [("b1", 0), ("b1", 1)]]
    assert [float(r.arrays["x"]) for r in records[cells[2]]] == [0, 1]
    gather(tmp_path, cells, 2)
    assert len(toy.trained) == 2
    gather(tmp_path, cells[:1], 4)  # only the missing seeds
    assert toy.trained[2:] == [[("a1", 2), ("a1", 3)]]
    assert not list((tmp_path / "work").iterdir())


def test_what_was_begun_is_ended_first_and_with_its_lanes(tmp_path):
    """This also holds if another set of cells and seeds is requested."""

    def die(toy):
        if len(toy.trained) == 1:
            raise KeyboardInterrupt

    toy = Counting(die)
    cells = toy.cells("b1", "a1")
    with pytest.raises(KeyboardInterrupt):
        gather(tmp_path, cells[1:], 2)
    gather(tmp_path, cells, 3)
    begun, *later = toy.trained[1:]
    assert begun == toy.trained[0] == [("a1", 0), ("a1", 1)]
    assert later == [[("b1", 0), ("b1", 1), ("b1", 2)], [("a1", 2)]]


def test_records_are_written_as_they_come(tmp_path):
    def train(lanes, work):
        for lane in lanes:
            if lane.seed == 2:
                raise KeyboardInterrupt
            yield Record({"x": np.float64(lane.seed)}, {"seconds": 1.0})

    (cell,) = Counting(train=train).cells("a1")
    with pytest.raises(KeyboardInterrupt):
        gather(tmp_path, [cell], 3)
    assert [path_of(tmp_path, Lane(cell, s)).exists() for s in range(3)] == [True, True, False]


@pytest.mark.parametrize("text", ['[["k", 1e999]]', "[" * 100_000, '[["KEY", -1]]', "{}", "1"])
def test_lanes_of_nothing_are_ignored(tmp_path, text):
    toy = Counting()
    (cell,) = toy.cells("a1")
    (tmp_path / "work" / "x").mkdir(parents=True)
    (tmp_path / "work" / "x" / "lanes.json").write_text(text.replace("KEY", key(cell)))
    gather(tmp_path, [cell], 1)
    assert toy.trained == [[("a1", 0)]]


def with_facts(**changes):
    facts = {"seconds": 1.0, "seed": 1, "versions": {"jax": "0"}} | changes
    return Record({"x": np.float64(1)}, {n: x for n, x in facts.items() if x is not None})


DAMAGED = {
    "an array is missing": with_facts()._replace(arrays={}),
    "a shape is wrong": with_facts()._replace(arrays={"x": np.zeros(3)}),
    "no number": with_facts()._replace(arrays={"x": np.array("x")}),
    "facts are no dict": Record({"x": np.float64(1)}, [1, 2]),  # pyright: ignore
    "no seconds": with_facts(seconds=None),
    "seconds are text": with_facts(seconds="1"),
    "another seed": with_facts(seed=0),
    "no seed": with_facts(seed=None),
    "versions are a list": with_facts(versions=["jax"]),
    "no file of numpy": b"PK no",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_a_record_is_trained_again(tmp_path, name, capsys):
    toy = Counting()
    (cell,) = toy.cells("a1")
    gather(tmp_path, [cell], 2)
    write(tmp_path, Lane(cell, 1), with_facts())
    gather(tmp_path, [cell], 2)
    assert len(toy.trained) == 1  # a record that is none of these is taken
    damaged = DAMAGED[name]
    if isinstance(damaged, bytes):
        path_of(tmp_path, Lane(cell, 1)).write_bytes(damaged)
    else:
        write(tmp_path, Lane(cell, 1), damaged)
    gather(tmp_path, [cell], 2)
    assert toy.trained[1:] == [[("a1", 1)]]
    assert "seed_0001.npz: damaged; the run is trained again" in capsys.readouterr().err


def test_a_record_is_mended_once(tmp_path):
    toy = Counting(shapes=lambda name: {"y": ()})
    with pytest.raises(InputError, match="seed_0000.npz: damaged again"):
        gather(tmp_path, toy.cells("a1"), 1)
    assert len(toy.trained) == 2


def test_a_write_that_fails_leaves_the_record_as_it_was(tmp_path):
    (cell,) = Counting().cells("a1")
    write(tmp_path, Lane(cell, 1), with_facts())
    path = path_of(tmp_path, Lane(cell, 1))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Object arrays"):
        write(tmp_path, Lane(cell, 1), Record({"x": np.array(None)}, {}))
    assert path.read_bytes() == before
    assert [x.name for x in path.parent.iterdir()] == [path.name]


def test_what_decides_a_result_is_in_its_key(monkeypatch):
    toy = Counting().laboratory
    keys = {key(Cell(toy, name)) for name in ("a1", "a2")}
    keys |= {
        key(Cell(toy._replace(**change), "a1"))
        for change in ({"name": "other"}, {"version": 2})
    }
    monkeypatch.setattr(runs_records.metadata, "version", lambda name: f"{name} of another day")
    key.cache_clear()
    keys.add(key(Cell(toy, "a1")))
    assert len(keys) == 5
    key.cache_clear()


def test_facts_say_where_a_run_comes_from(tmp_path):
    toy = Counting()
    (record,) = gather(tmp_path, toy.cells("a1"), 1)[toy.cells("a1")[0]]
    assert record.facts["commit"] == commit(toy.laboratory.train)
    assert record.facts["seed"] == 0
    assert record.facts["lanes"] == 1
    assert {"jax", "numpy", "python"} <= record.facts["versions"].keys()
    assert "cpu" in record.facts["device"]


def test_a_commit_is_empty_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    runs_records._commit.cache_clear()
    assert commit(Counting) == ""
    runs_records._commit.cache_clear()


def test_progress_elsewhere_than_on_a_terminal(tmp_path, capsys):
    gather(tmp_path, Counting().cells("a1", "b1"), 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 of 2 programs done after 0 s, about 0 s left")
    assert len(lines) == 2
