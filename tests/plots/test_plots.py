import numpy as np
import pytest
from PIL import Image

from jaxgan.plots import figures, raster

CLOUD = np.random.default_rng(0).normal(size=(100, 2))


def test_extent_holds_the_points_also_on_a_line():
    left, right, bottom, top = figures.extent_of(CLOUD)
    assert left < CLOUD[:, 0].min() < CLOUD[:, 0].max() < right
    assert bottom < CLOUD[:, 1].min() < CLOUD[:, 1].max() < top
    flat = figures.extent_of(CLOUD * [1, 0])
    assert flat.bottom < 0 < flat.top


def test_field_points_go_row_by_row_from_the_bottom():
    grid = figures.field_points(figures.Extent(0, 1, 2, 3), columns=3, rows=2)
    np.testing.assert_array_equal(grid, [[0, 2], [0.5, 2], [1, 2], [0, 3], [0.5, 3], [1, 3]])


@pytest.mark.parametrize("score", ["steep", "flat", "nan"])
def test_frames_are_equal_in_size_whatever_the_scores(tmp_path, score):
    extent = figures.extent_of(CLOUD)
    grid = figures.field_points(extent)
    scores = {
        "steep": np.exp(9 * grid[:, 0]),
        "flat": 0 * grid[:, 0],
        "nan": grid[:, 0] * np.nan,
    }
    fake = CLOUD + 1 if score != "nan" else CLOUD * np.nan
    path = tmp_path / "frames" / "epoch_0001.png"
    figures.points_frame(
        path, real=CLOUD, fake=fake, scores=scores[score], extent=extent, title="epoch 1"
    )
    with Image.open(path) as image:
        assert image.size == (720, 480)
        colours = len(np.unique(np.asarray(image.convert("L"))))
    assert colours > 20
    assert [p.name for p in path.parent.iterdir()] == ["epoch_0001.png"]


def test_generated_points_are_darker_than_real_ones():
    def grey(colour):
        r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * r + 0.587 * g + 0.114 * b

    assert grey(figures.REAL) - grey(figures.FAKE) > 60
    assert grey(figures.REAL) - grey(figures.AVERAGE) > 60


def test_gif_has_every_frame_and_rests_on_the_last(tmp_path):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (40, 30), (80 * i, 0, 0)).save(paths[-1])
    raster.gif(tmp_path / "training.gif", paths)
    with Image.open(tmp_path / "training.gif") as image:
        assert image.n_frames == 3
        durations = []
        for i in range(3):
            image.seek(i)
            durations.append(image.info["duration"])
            assert abs(np.asarray(image.convert("RGB"))[0, 0, 0].astype(int) - 80 * i) <= 2
    assert durations[-1] > 2 * durations[0]
    raster.gif(tmp_path / "lost.gif", [])
    assert not (tmp_path / "lost.gif").exists()


def test_curves_survive_lanes_that_diverge(tmp_path):
    values = np.array([[1.0, 2.0], [2.0, np.nan], [np.nan, np.nan]])
    figures.curves(
        tmp_path / "a.png",
        [1, 2, 3],
        {"loss": {"critic": (values, figures.FAKE)}, "fit": {"g": (values, figures.AVERAGE)}},
        "title",
        levels={"fit": 1.0},
    )
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.fixture
def drawn(monkeypatch):
    """Figures as they are saved, laid out."""
    figs, save = [], figures._save

    def keep(figure, path):
        save(figure, path)
        figs.append(figure)

    monkeypatch.setattr(figures, "_save", keep)
    return figs


@pytest.mark.parametrize("top", [3e3, 1e5, 1e12, 1e30])
def test_a_lane_that_diverges_leaves_numbers_on_the_axis(tmp_path, drawn, top):
    values = np.geomspace([2.0, 2.0], [1.0, top], 20)
    values[15:, 1] = np.nan
    panels = {"fit": {"generator": (values, figures.FAKE)}}
    figures.curves(tmp_path / "a.png", range(1, 21), panels, "title", levels={"fit": 1.0})
    (axes,) = drawn[0].axes
    low, high = axes.get_ylim()
    texts = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    assert sum(low <= at <= high and bool(x.get_text()) for at, x in texts) >= 3


def test_a_long_title_of_a_narrow_figure_is_whole(tmp_path, drawn):
    share = {"lowered": [0.2, 0.8], "as drawn": [0.5, 0.5], "raised": [0.7, 0.3]}
    title = "WGAN-GP with Adam, seed 0: share of each class as a dimension moves by 2"
    figures.shares(tmp_path / "a.png", ["Coat", "Bag"], {"dimension 20": share}, title)
    (figure,) = drawn
    box = figure.get_suptitle() and figure._suptitle.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    (axes,) = figure.axes
    assert axes.title.get_window_extent().y1 <= box.y0


def test_cloud_grid_leaves_missing_panels_empty(tmp_path):
    panel = figures.Panel(CLOUD, CLOUD, "fit 1.0")
    panels = {("gan", "sgd"): panel, ("wgan", "adam"): panel}
    figures.cloud_grid(tmp_path / "a.png", panels, figures.extent_of(CLOUD), "title")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 600


def test_bands_of_runs_that_diverged(tmp_path):
    x = np.arange(1, 6)
    values = np.geomspace(9, 1, 5)[:, None] * [1.0, 1.5]
    values[3:, 1] = np.nan
    lines = {name: figures.Band(x, values) for name in ("SGD", "Adam")}
    panels = {f"rate {i}": lines for i in range(4)}  # two rows, of which the last has a gap
    figures.bands(tmp_path / "b.png", panels, {"perfect": 1.0}, ("epoch", "fit"), log_x=True)
    with Image.open(tmp_path / "b.png") as image:
        corner = np.asarray(image.convert("L"))[-300:, -400:]
    assert corner.min() == 255  # nothing where there is no panel
