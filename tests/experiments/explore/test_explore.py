import base64
import functools
import http.client
import importlib.util
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from html import unescape
from pathlib import Path
from unittest.mock import MagicMock
from urllib.parse import parse_qs, quote, urlsplit

import jax
import numpy as np
import pytest
from PIL import Image

from experiments.common.web import refusal
from experiments.explore import server as explore_server
from experiments.explore.__main__ import main
from experiments.explore.page import PLACES, SEEDS, Answers, _layout, save
from experiments.explore.pictures import State, figure, painter, state_of
from experiments.explore.server import PATHS
from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan import convert, sefa
from jaxgan.convert.generator import Pretrained
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.sefa import files, known
from jaxgan.sefa.render import draw, reduce
from tests.generators import LAYERS, SIDE, line_of, linear, movable

ROOT = Path(__file__).parents[3]
HOSTILE = "</script><img src=x onerror=alert(1)> & <b>\"quotes'"
SIZE = 2  # pixels of a preview; the full image has SIDE


@functools.cache
def generator_of(layers=LAYERS):
    return linear(layers, scale=0.05)


def config_of(**changes):
    settings = {"checkpoint": "faces.pth", "directions": 3, "size": SIZE}
    return Config(**settings | {"unit": "code", "like": "genforce"} | changes)


@functools.cache
def directions_of(layers=LAYERS, groups="all"):
    return run.find(config_of(layers=groups), generator_of(layers))[0]


def read(*controls, layers=LAYERS):
    return state_of(generator_of(layers), 3, *controls)


def full(state, layers=LAYERS, groups="all", **changes):
    directions = directions_of(layers, groups)
    return painter(config_of(**changes), generator_of(layers), directions)(state)


# Without a browser.


@pytest.mark.parametrize("text", ["own", "all", "0-1,3", " 2 "])
def test_controls_are_read(text):
    layers = {"own": None, "all": (0, 1, 2, 3), "0-1,3": (0, 1, 3), " 2 ": (2,)}[text]
    state = read(" 12 ", "0.5", text, 0, "1.5", -2)
    assert state == State(12, 0.5, layers, (0.0, 1.5, -2.0))


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        (("abc", 0.7, "all", 0, 0, 0), "person 'abc' must be a whole number from 0 to"),
        (("", 0.7, "all", 0, 0, 0), "person '' must be"),
        (("-1", 0.7, "all", 0, 0, 0), "person '-1' must be"),
        (("2147483648", 0.7, "all", 0, 0, 0), "from 0 to 2147483647"),
        (("\u0664", 0.7, "all", 0, 0, 0), "must be a whole number"),
        (("9" * 20_000, 0.7, "all", 0, 0, 0), "must be a whole number"),
        ((None, 0.7, "all", 0, 0, 0), "person 'None' must be"),
        (("0", 0.7, "7-99", 0, 0, 0), "layers '7-99' are not 'all', or a list such as 0-1,6"),
        (("0", 0.7, "", 0, 0, 0), "layers '' are not"),
        (("0", 0.7, "0," * 10_000, 0, 0, 0), "layers of 20000 characters"),
        (("0", "nan", "all", 0, 0, 0), "must be 4 numbers, -1000 to 1000"),
        (("0", None, "all", 0, 0, 0), "must be 4 numbers"),
        (("0", "much", "all", 0, 0, 0), "must be 4 numbers"),
        (("0", 0.7, "all", 0, 0, "inf"), "must be 4 numbers"),
        (("0", 0.7, "all", 0, 0, 1001), "must be 4 numbers"),
        (("0", 0.7, "all", 0, 0), "must be 4 numbers"),
        (("0", 0.7, "all", 0, 0, "0,0"), "must be 4 numbers"),
    ],
)
def test_controls_that_hold_something_else(controls, words):
    with pytest.raises(InputError) as error:
        read(*controls)
    assert words in line_of(error)
    assert len(line_of(error)) < 200


def test_without_layers_any_text_will_do():
    assert read("0", 1, "whatever", 0, 0, 0, layers=0).layers == ()


@pytest.mark.parametrize("layers", [LAYERS, 0])
@pytest.mark.parametrize("unit", ["code", "std"])
def test_sliders_add_up(layers, unit):
    generator, directions = generator_of(layers), directions_of(layers)
    moving = (1, 3) if layers else None
    codes = np.array(run.codes_of(config_of(seed=5, truncation=0.5, samples=1), generator))
    distances = (1.0, -0.5, 2.0)
    units = sefa.spreads(generator, directions.vectors) if unit == "std" else np.ones(3)
    step = (distances * units) @ directions.vectors
    if layers:
        codes[:, [1, 3]] += step.astype(np.float32)
    else:
        codes += step.astype(np.float32)
    image = full(State(5, 0.5, moving, distances), layers, unit=unit)
    assert image.shape == (SIDE, SIDE, 3)
    assert image.dtype == np.uint8
    # A sum that is rounded another way may reach the next whole number.
    assert np.abs(image.astype(int) - to_uint8(generator.images(codes))[0]).max() <= 1
    still = full(State(5, 0.5, moving, (0.0, 0.0, 0.0)), layers, unit=unit)
    assert np.abs(image.astype(int) - still).max() > 5


def test_each_direction_moves_its_own_layers_unless_told():
    own = full(State(0, 0.7, None, (1.0, 0, 0) * 2), groups="0/2-3")
    first = full(State(0, 0.7, (0,), (1.0, 0, 0, 0, 0, 0)), groups="0/2-3")
    both = full(State(0, 0.7, (0,), (1.0, 0, 0) * 2), groups="0/2-3")
    assert (own != first).any()
    assert (own != both).any()
    codes = np.array(run.codes_of(config_of(samples=1), generator_of()))
    directions = directions_of(groups="0/2-3")
    codes[:, 0] += directions.vectors[0]
    codes[:, 2:] += directions.vectors[3]
    assert np.abs(own.astype(int) - to_uint8(generator_of().images(codes))[0]).max() <= 1


def test_the_person_of_a_seed_is_the_first_sample_of_the_laboratory():
    config = config_of(seed=7, samples=4)
    drawn = draw(generator_of(), run.codes_of(config, generator_of()), SIDE, 4)
    image = full(State(7, config.truncation, None, (0.0,) * 3))
    assert np.abs(image.astype(int) - drawn[0]).max() <= 1


def test_a_person_is_made_once_and_an_image_alone(monkeypatch):
    calls = {"codes": [], "images": []}
    for kind, counts in calls.items():
        method = vars(Pretrained)[kind]

        def counted(self, codes, *rest, counts=counts, method=method, **named):
            counts.append(len(codes))
            return method(self, codes, *rest, **named)

        monkeypatch.setattr(Pretrained, kind, counted)
    paint = painter(config_of(), generator_of(), directions_of())
    for distance in (0.0, 1.0, 2.0, 1.0):
        paint(State(3, 0.7, None, (distance, 0.0, 0.0)))
    assert calls == {"codes": [1], "images": [1, 1, 1]}
    paint(State(3, 0.6, None, (0.0, 0.0, 0.0)))
    assert calls == {"codes": [1, 1], "images": [1, 1, 1, 1]}


def decoded(source):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


@pytest.mark.parametrize("moving", [None, (0, 2)])
def test_the_link_of_a_picture_tells_its_state(moving):
    state = State(3, 0.7, moving, (0.1, -1e-9, 3.0))
    image = full(state)
    text = figure(image, state, SIDE)
    source, link = (unescape(x) for x in re.findall('(?:src|href)="([^"]*)"', text))
    np.testing.assert_array_equal(decoded(source), reduce(image, SIDE))
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    distances = query.pop("distances").split(",")
    assert read(*query.values(), *distances) == state
    assert re.findall('src="([^"]*)"', figure(image, state, None))[0] == link.replace(
        "&", "&amp;"
    )


def test_names_are_saved_and_read_back(tmp_path):
    directions = directions_of()
    names = save(tmp_path, directions, [" smile ", None, HOSTILE + "\n\ud800\x00"])
    assert names == ["smile", "direction 2", HOSTILE + "\ufffd" * 3]
    loaded, titles = files.load(tmp_path / "directions.npz", generator_of())
    assert titles == ("smile", "", names[2])
    np.testing.assert_array_equal(loaded.vectors, directions.vectors)
    with pytest.raises(InputError) as error:
        save(tmp_path, directions, ["a", "b" * 20_000, "c"])
    assert line_of(error) == "name 2 has 20000 characters; up to 10000 are allowed"
    assert files.load(tmp_path / "directions.npz", generator_of())[1] == titles


def test_names_that_were_measured_come_back(tmp_path, monkeypatch):
    entry = {"name": "smile"}
    monkeypatch.setattr(known, "recognise", lambda directions: [entry, entry, entry])
    names = save(tmp_path, directions_of(), ["smile", "", "direction 3"])
    assert names == ["smile", "smile", "direction 3"]
    titles = files.load(tmp_path / "directions.npz", generator_of())[1]
    assert titles == ("", "", "direction 3")


def headers(**fields):
    return [
        (name.replace("_", "-").encode(), x.encode("latin-1")) for name, x in fields.items()
    ]


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/", {"host": "127.0.0.1:7860"}, None),
        ("/", {"host": "localhost:80"}, None),  # the other end of a tunnel
        ("/", {"host": "LOCALHOST"}, None),
        ("/", {}, 421),
        ("/", {"host": "evil.example:7860"}, 421),
        ("/", {"host": "127.0.0.1.evil.example"}, 421),
        ("/", {"host": "127x0y0.1:7860"}, 421),
        ("/", {"host": "127.0.0.1:7860@evil.example"}, 421),
        ("/", {"host": "0.0.0.0:7860"}, 421),
        ("/", {"host": "localhost:1", "origin": "http://localhost:1"}, None),
        ("/", {"host": "localhost:1", "origin": "http://localhost:2"}, 403),
        ("/", {"host": "localhost:1", "origin": "null"}, 403),
        ("/", {"host": "localhost:1", "origin": "http://evil.example"}, 403),
        ("/", {"host": "localhost", "sec_fetch_site": "cross-site"}, None),  # a link to it
        ("/picture.png", {"host": "localhost", "sec_fetch_site": "cross-site"}, 403),
        ("/picture.png", {"host": "localhost", "sec_fetch_site": "same-site"}, 403),
        ("/picture.png", {"host": "localhost", "sec_fetch_site": "same-origin"}, None),
        ("/assets/index-1.js", {"host": "localhost"}, None),
        ("/assets/../index", {"host": "localhost"}, 404),
        ("/assets/..", {"host": "localhost"}, 404),
        ("/assets/a\n", {"host": "localhost"}, 404),
        ("/gradio_api/queue/join", {"host": "localhost"}, None),
        ("/gradio_api/upload", {"host": "localhost"}, 404),
        ("/gradio_api/file=/etc/passwd", {"host": "localhost"}, 404),
        ("/config", {"host": "localhost"}, 404),
        ("/codes.npz", {"host": "localhost"}, None),
        ("/codes.npz", {"host": "evil.example"}, 421),
        ("/codes.npz", {"host": "localhost", "sec_fetch_site": "cross-site"}, 403),
    ],
)
def test_what_is_let_in(path, fields, status):
    assert refusal(PATHS, path, headers(**fields)) == status


# The command line. A generator that can be worked out by hand stands in for a file.


def arguments_of(folder):
    words = (f"--out={folder / 'runs'}", "--port=0", f"--size={SIZE}", "--directions=3")
    return *words, "--checkpoint=faces.pth", "--unit=code", "--like=genforce", "--distance=3"


@pytest.fixture
def refused(monkeypatch, capsys):
    """The one line with which a command is refused, in this process."""
    monkeypatch.setattr(convert, "load", lambda *_, **__: generator_of())

    def refused(folder, *arguments):
        assert main([*arguments_of(folder), *arguments]) == 2
        out, errors = capsys.readouterr()
        assert out == ""
        assert errors.count("\n") == 1
        return errors

    return refused


@pytest.fixture
def no_gradio(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)


def test_without_gradio_it_says_what_to_install(tmp_path, refused, no_gradio, capsys):
    line = refused(tmp_path)
    assert line == "explore: error: the page needs Gradio: pip install 'jaxgan[ui]'\n"
    assert not (tmp_path / "runs").exists()
    assert main(["--help"]) == 0
    assert "--directions_file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--layers=7-99", "layers '7-99' are not"),
        ("--unit=image", "--unit=image must be code or std"),
        ("--truncation=1001", "--truncation=1001.0 must be -1000 to 1000"),
        ("--port=70000", "--port=70000 must be 0 to 65535"),
    ],
)
def test_bad_input_is_one_line(tmp_path, refused, monkeypatch, argument, words):
    monkeypatch.setattr(explore_server, "gradio", lambda: None)
    assert refused(tmp_path, argument).startswith(f"explore: error: {words}")
    assert not (tmp_path / "runs").exists()


# As a user runs it. A list tells with whom the process spoke.

RUN = """
import sys
log = open(sys.argv.pop(1), "a", buffering=1)
def heard(event, arguments):
    if event == "socket.getaddrinfo":
        log.write(f"{arguments[0]}\\n")
    if event in ("socket.connect", "socket.sendto"):
        log.write(f"{arguments[1]}\\n")
sys.addaudithook(heard)
layers, kind = int(sys.argv.pop(1)), sys.argv.pop(1)
from jaxgan import convert
from tests import generators
convert.load = lambda *_, **__: getattr(generators, kind)(layers, scale=0.05)
from experiments.explore.__main__ import main
assert "gradio" not in sys.modules
sys.exit(main())
"""


def started(folder, layers=LAYERS, kind="linear"):
    words = (str(folder / "heard"), str(layers), kind, *arguments_of(folder))
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "JAX_PLATFORMS": "cpu"},
    )


def ended(process, code):
    """What it wrote to stderr."""
    out, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert out == ""
    return errors


def address(process):
    """Where it answers, once it does."""
    ready, _, _ = select.select([process.stdout], [], [], 60)
    line = process.stdout.readline() if ready else ""
    assert line.startswith("http://127.0.0.1:"), process.communicate(timeout=10)[1]
    return line.strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page's address, and the folder in which its process writes."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("needs Gradio: the extra 'ui'")
    folder = tmp_path_factory.mktemp("server")
    process = started(folder)
    yield address(process), folder
    process.terminate()
    assert (
        ended(process, 143) == "explore: stopped by SIGTERM; run the same command to resume\n"
    )
    assert (folder / "heard").read_text() == ""  # nobody was spoken to


def answer(server, path, method="GET", body=None, **fields):
    """Status, headers and body of a request as it is written here."""
    host, port = urlsplit(server[0]).netloc.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    try:
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_a_second_process_is_kept_out_of_the_folder(server, refused, monkeypatch):
    monkeypatch.setattr(explore_server, "gradio", lambda: None)
    assert "faces is in use by another process" in refused(server[1])


def test_other_machines_have_no_port(server):
    port = int(urlsplit(server[0]).port)
    ports = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if line.split()[3] == "0A"  # listening
    ]
    assert f"0100007F:{port:04X}" in ports
    assert f"00000000:{port:04X}" not in ports


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "0.0.0.0", "[::1]"])
def test_foreign_hosts_are_refused(server, host):
    assert answer(server, "/", host=host)[0] == 421
    assert answer(server, "/assets/index.js", host=host)[0] == 421


def test_foreign_pages_are_refused(server):
    fields = {"origin": "http://evil.example", "content_type": "application/json"}
    assert answer(server, "/gradio_api/queue/join", "POST", "{}", **fields)[0] == 403
    assert answer(server, "/picture.png", sec_fetch_site="cross-site")[0] == 403


FORM = (
    '--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    "text\r\n--x--\r\n"
)


def test_uploads_are_refused(server):
    fields = {"content_type": "multipart/form-data; boundary=x"}
    for path in ("/gradio_api/upload", "/upload", "/gradio_api/upload/"):
        assert answer(server, path, "POST", FORM, **fields)[0] in (404, 405)


def copies():
    """Files that Gradio has copied."""
    folder = Path(tempfile.gettempdir()) / "gradio"
    return sorted(folder.rglob("*")) if folder.exists() else []


def joined(server, data, **more):
    """The status of a move that the page did not make."""
    event = {"data": data, "fn_index": 0, "session_hash": "x", "trigger_id": 1} | more
    kind = {"content_type": "application/json"}
    return answer(server, "/gradio_api/queue/join", "POST", json.dumps(event), **kind)[0]


def test_files_that_a_request_names_are_not_copied(server, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    named = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    before = copies()
    for data in ([named, 0.7, "own"], ["0", [named]], {"0": named}, None, "text", 3):
        assert joined(server, data) == 400
    assert joined(server, [], event_data=named) == 400
    assert copies() == before
    for body in ("", "no json", "[1]", "[" * 100_000):
        assert answer(server, "/gradio_api/queue/join", "POST", body)[0] == 400


def test_long_requests_are_refused(server):
    assert joined(server, ["x" * 2**20]) == 413


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/gradio_api/info",
        "/gradio_api/call/show",
        "/gradio_api/run/predict",
        "/gradio_api/queue/join/../../file=/etc/passwd",
        "/assets/../../../../../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "//etc/passwd",
        "/config",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/gradio_api/mcp/sse",
    ],
)
def test_other_paths_give_nothing(server, path):
    status, _, body = answer(server, path)
    assert status in (403, 404)
    assert b"root:" not in body
    assert len(body) < 100


def test_answers_keep_browsers_to_this_address(server):
    for path in ("/", "/theme.css", "/nothing"):
        fields = answer(server, path)[1]
        policy = fields["content-security-policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*", policy)
        assert fields["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in fields


def test_pictures_of_a_link(server):
    link = "/picture.png?seed=3&truncation=0.7&layers=all&distances=0,1,0"
    status, fields, body = answer(server, link)
    assert (status, fields["content-type"]) == (200, "image/png")
    expected = full(State(3, 0.7, None, (0.0, 1.0, 0.0)))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), expected)
    for spoiled in ("nan", "0,0", "<b>"):
        status, fields, body = answer(server, link.replace("0,1,0", quote(spoiled)))
        assert (status, fields["content-type"]) == (400, "text/plain; charset=utf-8")
        assert body == b"truncation and sliders must be 4 numbers, -1000 to 1000"


# In a browser.


@pytest.fixture
def visit(new_tab):
    """Opens a page and waits until it shows its state."""

    def open_page(home, **settings):
        tab = new_tab(home, **settings)
        with tab.expect_response(lambda response: "queue/data" in response.url):
            tab.goto(home)
        tab.wait_for_selector("#picture img")
        tab.wait_for_load_state("networkidle")  # the names have come
        return tab

    return open_page


def source_of(tab):
    """The picture's address."""
    return tab.locator("#picture img").get_attribute("src")


def slider(tab, number):
    return tab.locator(".direction input[type=range]").nth(number)


def source_after(tab, act):
    """The picture's address after something changed it."""
    before = source_of(tab)
    act()
    tab.wait_for_function(
        "old => document.querySelector('#picture img').getAttribute('src') !== old", arg=before
    )
    return source_of(tab)


def message(tab, words):
    """What the page says, once it holds some words."""
    return tab.locator("#message p").filter(has_text=words).text_content()


def button(tab, name):
    return tab.get_by_role("button", name=name, exact=True)


def preview(*controls):
    return reduce(full(read(*controls)), SIZE)


def test_sliders_move_the_picture_which_can_be_downloaded(visit, server):
    tab = visit(server[0])
    start = source_of(tab)
    np.testing.assert_array_equal(decoded(start), preview("0", 0.7, "all", 0, 0, 0))
    one = source_after(tab, lambda: slider(tab, 0).fill("2"))
    np.testing.assert_array_equal(decoded(one), preview("0", 0.7, "all", 2, 0, 0))
    two = source_after(tab, lambda: slider(tab, 2).fill("-1.5"))
    np.testing.assert_array_equal(decoded(two), preview("0", 0.7, "all", 2, 0, -1.5))
    assert source_after(tab, button(tab, "Reset").click) == start
    assert [slider(tab, k).input_value() for k in range(3)] == ["0", "0", "0"]
    assert source_after(tab, lambda: slider(tab, 0).press("ArrowRight")) != start
    assert slider(tab, 0).input_value() == "0.1"
    # Full resolution and download.
    source_after(tab, lambda: slider(tab, 0).fill("1"))
    expected = full(read("0", 0.7, "all", 1, 0, 0))
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download PNG").click()
    assert download.value.suggested_filename == "person_0.png"
    np.testing.assert_array_equal(np.asarray(Image.open(download.value.path())), expected)
    assert source_after(tab, button(tab, "Full resolution").click).startswith("/picture.png?")
    tab.wait_for_function("document.querySelector('#picture img').naturalWidth === 4")


def shows(tab, *controls, seconds=30):
    """Whether the page comes to show the picture of these controls.

    A box that loses the focus asks for a picture too, so others may come before.
    """
    expected, end = preview(*controls), time.monotonic() + seconds
    while time.monotonic() < end:
        if np.array_equal(decoded(source_of(tab)), expected):
            return True
        tab.wait_for_timeout(50)
    return False


def test_person_truncation_and_layers(visit, server):
    tab = visit(server[0])
    person = tab.get_by_role("textbox", name="Person")
    person.fill("12")
    person.press("Enter")
    assert shows(tab, "12", 0.7, "all", 0, 0, 0)
    tab.get_by_label("range slider for Truncation").fill("1.2")
    assert shows(tab, "12", 1.2, "all", 0, 0, 0)
    slider(tab, 1).fill("3")
    layers = tab.get_by_role("textbox", name="Layers")
    layers.fill("0-1,3")
    layers.press("Enter")
    assert shows(tab, "12", 1.2, "0-1,3", 0, 3, 0)
    layers.fill("0-1")
    button(tab, "Another person").click()  # leaves the box, which asks for a picture too
    end = time.monotonic() + 30
    while person.input_value() == "12" and time.monotonic() < end:
        tab.wait_for_timeout(50)
    assert person.input_value() != "12"
    assert shows(tab, person.input_value(), 1.2, "0-1", 0, 3, 0)
    button(tab, "Reset").click()
    assert shows(tab, person.input_value(), 1.2, "0-1", 0, 0, 0)


def test_bad_input_is_a_sentence_and_harms_nothing(visit, server):
    tab = visit(server[0])
    start = source_of(tab)
    for name, bad, good in (
        ("Person", "abc", "0"),
        ("Person", "<img src=x onerror=alert(1)>", "0"),
        ("Layers", "7-99", "all"),
        ("Layers", "<b>", "all"),
    ):
        box = tab.get_by_role("textbox", name=name)
        box.fill(bad)
        box.press("Enter")
        assert message(tab, bad[:40]).startswith((f"person '{bad[:40]}'", f"layers '{bad}'"))
        assert source_of(tab) == start
        box.fill(good)
        box.press("Enter")
        tab.locator("#message p").wait_for(state="detached")
    assert tab.locator("#picture img[src=x], #message img, #message b").count() == 0
    assert source_after(tab, lambda: slider(tab, 0).fill("1")) != start


def test_a_name_that_is_too_long_is_refused_and_stays(visit, server):
    tab = visit(server[0])
    start = source_of(tab)
    box = tab.get_by_role("textbox", name="Name 2")
    box.fill("W" * 20_000)
    button(tab, "Save names").click()
    line = message(tab, "characters")
    assert line == "name 2 has 20000 characters; up to 10000 are allowed"
    assert len(box.input_value()) == 20_000
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 1280
    assert source_after(tab, lambda: slider(tab, 0).fill("1")) != start


def test_names_are_saved_and_shown_again(visit, server):
    tab = visit(server[0])
    typed = ["smile", HOSTILE, ""]
    for k, name in enumerate(typed, 1):
        tab.get_by_role("textbox", name=f"Name {k}").fill(name)
    button(tab, "Save names").click()
    path = server[1] / "runs/explore/faces/directions.npz"
    assert message(tab, "Saved") == f"Saved in {path}"
    assert files.load(path, generator_of())[1] == tuple(typed)
    typed[2] = "direction 3"
    for page in (tab, visit(server[0])):
        for k, name in enumerate(typed, 1):
            assert page.get_by_role("textbox", name=f"Name {k}").input_value() == name
            label = slider(page, k - 1).get_attribute("aria-label")
            assert label == f"range slider for {name}"
        assert page.locator("img[src=x]").count() == 0
    again = config_of(directions_file=str(path))  # as experiments.sefa reads it
    assert run.find(again, generator_of())[1] == (*typed[:2], "")


def test_all_fits_the_screen(visit, server):
    tab = visit(server[0])
    for width in (1280, 360):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= width
        picture, control = (
            tab.locator(x).bounding_box() for x in ("#picture img", ".direction >> nth=0")
        )
        if width > 700:
            assert control["x"] > picture["x"] + picture["width"]
        else:
            assert control["y"] > picture["y"] + picture["height"]
            slider(tab, 2).scroll_into_view_if_needed()
            assert tab.locator("#picture img").bounding_box()["y"] >= 0  # seen as it moves
        assert picture["width"] > 0.4 * width
        assert not tab.locator("footer").is_visible()


@pytest.mark.slow
def test_names_outlive_the_process_of_a_generator_without_layers(visit, tmp_path):
    for number, (stop, code) in enumerate([(signal.SIGTERM, 143), (signal.SIGINT, 130)]):
        process = started(tmp_path, layers=0)
        try:
            tab = visit(address(process))
            box = tab.get_by_role("textbox", name="Name 2")
            assert box.input_value() == ("smile" if number else "direction 2")
            assert not tab.get_by_role("textbox", name="Layers").is_visible()
            box.fill("smile")
            button(tab, "Save names").click()
            message(tab, "Saved")
            moved = decoded(source_after(tab, lambda tab=tab: slider(tab, 1).fill("2")))
            expected = full(read("0", 0.7, "own", 0, 2, 0, layers=0), layers=0)
            np.testing.assert_array_equal(moved, reduce(expected, SIZE))
        finally:
            process.send_signal(stop)  # while a page is open
        assert ended(process, code).count("\n") == 1


@pytest.mark.slow
def test_what_is_drawn_can_be_turned_and_shifted(visit, tmp_path):
    process = started(tmp_path, kind="movable")
    try:
        tab = visit(address(process))
        start = source_of(tab)
        labels = [tab.get_by_label(f"range slider for {name}") for name in PLACES]
        turned = source_after(tab, lambda: labels[0].fill("90"))
        shifted = source_after(tab, lambda: labels[1].fill("0.25"))
        generator = movable(LAYERS, scale=0.05)
        paint = painter(config_of(), generator, directions_of())
        for source, place in ((turned, (90.0, 0.0)), (shifted, (90.0, 0.25))):
            expected = paint(State(0, 0.7, None, (0.0, 0.0, 0.0, *place)))
            np.testing.assert_array_equal(decoded(source), reduce(expected, SIZE))
        assert source_after(tab, button(tab, "Reset").click) == start
        box = tab.get_by_role("textbox", name="Name 3")
        box.fill("smile")
        button(tab, "Save names").click()
        message(tab, "Saved")
        assert [label.input_value() for label in labels] == ["0", "0"]
    finally:
        process.send_signal(signal.SIGTERM)
    ended(process, 143)


def test_people_of_a_file_of_codes(tmp_path):
    codes = sefa.draw_codes(generator_of(), jax.random.key(2), 2)
    np.savez(tmp_path / "codes.npz", **{"w+": codes})
    config = config_of(codes=str(tmp_path / "codes.npz"))
    paint = painter(config, generator_of(), directions_of(), codes)
    for person in (0, 1):
        image = paint(State(person, 0.5, None, (0.0, 0.0, 0.0)))
        np.testing.assert_array_equal(image, to_uint8(generator_of().images(codes))[person])
    with pytest.raises(InputError, match="person 2 must be 0 to 1, of codes.npz") as error:
        paint(State(2, 0.5, None, (0.0, 0.0, 0.0)))
    assert line_of(error)


def test_codes_of_a_file_are_read_once_and_have_no_truncation(tmp_path, monkeypatch):
    monkeypatch.setattr(explore_server, "gradio", MagicMock)
    file, reads = tmp_path / "codes.npz", []
    np.savez(file, **{"w+": sefa.draw_codes(generator_of(), jax.random.key(2), 2)})
    read_codes = run.codes_of
    monkeypatch.setattr(run, "codes_of", lambda *a: reads.append(1) or read_codes(*a))
    seen = []
    for codes in (str(file), None):
        reads.clear()
        config, names = config_of(codes=codes), ["one", "two", "three"]
        answers = Answers(config, tmp_path, generator_of(), directions_of(), names)
        _layout(answers, generator_of())
        sliders = [call.kwargs for call in answers.gradio.Slider.call_args_list]
        (visible,) = (x["visible"] for x in sliders if x["label"] == "Truncation")
        seen.append((answers.people, visible, len(reads)))
    assert seen == [(2, False, 1), (SEEDS, True, 1)]
