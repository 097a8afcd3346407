"""The explorer's command, with Gradio and the server left out."""

from experiments.explore import __main__ as explore
from experiments.explore.page import note
from jaxgan import convert
from jaxgan.sefa import known
from tests.generators import linear

ENTRY = {"name": "smile", "plus": "more of a <smile> +1.0 sd", "minus": "less of a smile"}


def test_known_directions_have_their_names(monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(convert, "load", lambda *_, **__: linear(scale=0.05))
    monkeypatch.setattr(known, "recognise", lambda directions: [ENTRY, None, None])
    monkeypatch.setattr(explore, "application", lambda answers, _: shown.append(answers))
    monkeypatch.setattr(explore.server, "gradio", lambda: None)
    monkeypatch.setattr(explore.server, "serve", lambda app, port: None)
    arguments = (f"--out={tmp_path}", "--checkpoint=x.pt", "--directions=3", "--size=2")
    assert explore.main(arguments) == 0
    (answers,) = shown
    assert answers.names == ["smile", "direction 2", "direction 3"]


def test_a_note_says_what_a_direction_does():
    assert note(ENTRY) == "+: more of a &lt;smile&gt; +1.0 sd; -: less of a smile"
    assert note(ENTRY | {"name": ""}) == note(None) == ""
