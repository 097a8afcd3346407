"""The live page's server and command, without a browser."""

import asyncio
import http.client
import json
import struct
import sys
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

from experiments.common import web
from experiments.points.__main__ import main
from experiments.points.live import server, shots
from experiments.points.live.programs import Picture


@pytest.fixture
def served(session_of, capsys):
    """Asks a session's server; the session runs in a thread of its own."""
    pytest.importorskip("starlette", reason="needs the extra 'ui'")
    feed = server.Feed()
    session = session_of()
    session.tell = feed.tell
    over = threading.Event()
    worker = threading.Thread(target=session.run, args=(lambda: None, over.is_set))
    with web.serving(server.application(session, feed), server.SITE, 0):
        port = urlsplit(capsys.readouterr().out.strip()).port
        worker.start()

        def ask(path, method="GET", body=None, **fields):
            connection = http.client.HTTPConnection(web.HOST, port, timeout=60)
            fields = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            content = response.read()
            connection.close()
            return response.status, dict(response.getheaders()), content

        yield session, ask
        over.set()
        worker.join()


def read(content):
    """Facts and arrays of a shot, as the page takes them."""
    (length,) = struct.unpack_from("<I", content)
    facts, at = json.loads(content[4 : 4 + length]), 4 + length
    arrays = {}
    for name, size in facts["arrays"].items():
        arrays[name] = np.frombuffer(content, "<f4", size, at)
        at += 4 * size
    assert at == len(content)
    return facts, arrays


def test_the_page_and_its_acts(served):
    session, ask = served
    for path, kind in (("/", "html"), ("/page.css", "css"), ("/page.js", "javascript")):
        status, headers, content = ask(path)
        assert status == 200
        assert kind in headers["content-type"]
        assert "script-src 'self'" in headers["content-security-policy"]
        assert b"://" not in content  # nothing from elsewhere
    assert json.loads(ask("/choices")[2])["cloud"][0] == "m"
    facts, arrays = read(ask("/shot")[2])
    np.testing.assert_array_equal(arrays["scores"], session.shot.picture.scores)
    assert len(ask("/real")[2]) == 4 * session.shot.real.size

    def act(body):
        status, _, content = ask("/act", "POST", json.dumps(body))
        return status, json.loads(content)

    assert act({"act": "step", "of": "both"}) == (200, {"answer": ""})
    later, _ = read(ask(f"/shot?after={facts['number']}")[2])
    assert (later["step"], later["playing"]) == (1, False)
    assert [point[1] for point in later["curve"]] == [1]
    assert read(ask(f"/shot?after={later['curve'][-1][0]}")[2])[0]["curve"] == []
    status, answer = act({"act": "change", "learning_rate": -1})
    assert status == 200
    assert answer["error"].startswith("--learning_rate=-1.0: must be positive")
    assert list(act({"act": "change", "self": 1})[1]) == ["error"]
    assert list(act({"act": "_show"})[1]) == ["error"]
    for body in ([], 7, {"of": "both"}, {"act": "load", "name": "x", "content": "x"}):
        assert act(body)[0] == 400
    assert ask("/act", "POST", b"{" * 99)[0] == 400
    rows = "\n".join(f"{x},{y}" for x, y in np.random.default_rng(0).normal(size=(600, 2)))
    assert ask("/file?name=own.csv", "POST", rows)[0] == 200
    assert session.training.config.data == "file"
    assert b"error" in ask("/file?name=own.csv", "POST", b"1,2")[2]


def test_a_number_is_told_with_its_shot(served):
    session, ask = served
    last = session.shot.number
    session.number += 1  # its shot is in the making
    later = threading.Timer(0.3, session.ask, ["pause"])
    later.start()
    assert read(ask(f"/shot?after={last}")[2])[0]["number"] > last
    later.join()


def test_strangers_get_nothing(served):
    session, ask = served
    before = session.number
    body = json.dumps({"act": "step", "of": "both"})
    for path in ("/", "/shot", "/act", "/page.js"):
        for host in ("evil.example", "127.0.0.1.evil.example", "0.0.0.0"):
            status, _, content = ask(path, "POST" if path == "/act" else "GET", body, host=host)
            assert (status, content) == (421, b"refused\n")
    assert ask("/act", "POST", body, origin="http://evil.example")[0] == 403
    assert ask("/act", "POST", body, sec_fetch_site="cross-site")[0] == 403
    assert ask("/shot", sec_fetch_site="cross-site")[0] == 403
    for path in ("/etc/passwd", "/page.py", "/../page.js", "/act/", "/docs"):
        assert ask(path)[0] == 404
    assert ask("/act", "GET")[0] == 405
    assert session.number == before


def test_bodies_that_are_too_long_are_refused():
    sent = []

    async def receive():
        return {"type": "http.request", "body": bytes(server.LONGEST), "more_body": True}

    async def send(message):
        sent.append(message)

    async def app(*_):
        raise AssertionError("it was let in")

    scope = {
        "type": "http",
        "path": "/act",
        "method": "POST",
        "headers": [(b"host", b"localhost")],
    }
    running = web.guarded(app, server.SITE)(scope, receive, send)
    with pytest.raises(StopIteration):
        running.send(None)
    assert sent[0]["status"] == 413


def test_a_request_that_breaks_off_does_nothing():
    parts = [
        {"type": "http.request", "body": b"1,2\n", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return parts.pop(0)

    async def never(*_):
        raise AssertionError("it was executed, or answered")

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "path": "/file", "method": "POST", "headers": headers}
    asyncio.run(web.guarded(never, server.SITE)(scope, receive, never))
    assert parts == []


def test_numbers_that_json_does_not_have_are_null():
    nothing = np.zeros(0, np.float32)
    picture = Picture(np.array([[np.nan, 1]]), nothing, nothing, nothing)
    shot = shots.Shot(3, {"fit": [float("inf"), 1.0]}, picture, [(3, 9, float("nan"))], nothing)
    facts, arrays = read(shots.encoded(shot, 2))
    assert facts["fit"] == [None, 1.0]
    assert facts["curve"] == [[3, 9, None]]
    np.testing.assert_array_equal(arrays["fake"], [np.nan, 1])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds=3"], "--live shows one training; the flags ask for 3 lanes"),
        (["--variant=gan,wgan"], "the flags ask for 2 variants and optimizers"),
        (["--learning_rate=1e-3,1e-4"], "the flags ask for 2 lanes"),
        (["--port=70000"], "--port=70000 must be 0 to 65535"),
        (["--fresh"], "--fresh has no meaning with --live"),
        (["--tensorboard"], "--tensorboard has no meaning with --live"),
        (["--nolive", "--port=0"], "--port needs --live"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(flags, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--live", *flags]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.count("\n") == 1
    assert errors.startswith("points: error: ")
    assert words in errors
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert main(["--live", "--port=0"]) == 2
    line = "points: error: --live needs Starlette and uvicorn: pip install 'jaxgan[ui]'\n"
    assert capsys.readouterr().err == line
