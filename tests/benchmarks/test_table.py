import pytest

from benchmarks import __main__ as table

SECONDS = {"jaxgan": [2.0, 4.0, 3.0], "slow": [9.0, 8.0, 7.0], "fast": [6.0, 6.0, 9.0]}


class Clock:
    """Stands for a worker whose times and memory are known."""

    def __init__(self, name, *, script=None):
        self.times = iter(SECONDS.get(name, [1.0, 1.0, 1.0]))
        self.memory = 2**20 * (1 + list(SECONDS).index(name)) if name in SECONDS else 0

    def time(self):
        return 1e6 * next(self.times)

    def close(self):
        return self.memory


def test_a_line_holds_medians_their_ratio_and_the_share_of_the_peak(monkeypatch):
    monkeypatch.setattr(table.harness, "Worker", Clock)
    speed = 2 * table.sweep.SIDE**3  # operations a second, as the product takes one
    row = table.Row(
        "kind",
        "title",
        "step",
        {name: ("x.py", name) for name in SECONDS},
        lambda: 0.75 * speed,
    )
    line = table.measure(row, 3, Clock("peak"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    expected = ["title", "3 s per step", "6 s (fast)", "2.00", "25 %", "1, 3"]
    assert cells == expected


def test_a_time_is_spelt_in_its_unit():
    texts = [table.spell(microseconds) for microseconds in (7.0, 999.0, 1234.0, 2e6)]
    assert texts == ["7 us", "999 us", "1.23 ms", "2 s"]


def test_a_worker_that_stops_says_so(tmp_path):
    (tmp_path / "worker.py").write_text("print(1.5, flush=True)")
    worker = table.harness.Worker("x", script=tmp_path / "worker.py")
    assert worker.first == 1.5
    with pytest.raises(table.harness.Stopped, match="worker.py --worker x stopped"):
        worker.answer()


def test_every_row_has_a_script_with_its_programs():
    titles = [row.title for row in table.rows()]
    assert len(set(titles)) == len(titles)
    for row in table.rows():
        assert "jaxgan" in row.programs
        assert len(row.programs) > 1
        for script, program, *_ in row.programs.values():
            assert script == f"{row.kind}.py"
            assert f'"{program}"' in (table.FOLDER / script).read_text()


@pytest.mark.parametrize("kinds", [["points"], ["sefa", "sweep"]])
def test_quick_takes_a_row_of_each_kind(kinds):
    assert [row.kind for row in table.choose(kinds, quick=True)] == kinds
    assert len(table.choose(kinds, quick=False)) > len(kinds)


def test_the_operations_of_a_step_are_those_of_its_products():
    """At least eight passes of the critic; no more for an example in a larger batch."""
    batch = 64
    critic = 2 * batch * (2 * 256 + 256 * 64 + 64)
    assert table.points.operations("wgan_gp", batch) > 8 * critic
    assert table.points.operations("wgan_gp", 2 * batch) < 2.1 * table.points.operations(
        "wgan_gp", batch
    )
