"""Serve a Gradio page to this machine alone; the page asks no other for anything."""

import json
import os
import re
from typing import Any

from experiments.common import web
from jaxgan.errors import InputError

MAX_BODY = 2**20  # bytes that a request may send: a photograph, reduced
# All that the page asks for. Gradio's other routes read files, take uploads, fetch pages.
PATHS = re.compile(
    r"/|/theme\.css|/favicon\.ico|/picture\.png|/codes\.npz|/(assets|static)/(?!.*\.\.)[\w./-]+"
    r"|/gradio_api/queue/(join|data)"
)
# Gradio's page holds scripts of its own, which make functions of texts.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = web.COMMON_HEADERS | {"content-security-policy": POLICY}


def wrong_body(body: bytes) -> int | None:
    """Status with which a request's body is refused; None lets it in.

    Gradio copies files, or fetches addresses, that a dictionary among the data names.
    """
    try:
        event = json.loads(body)
        plain = all(isinstance(x, str | int | float | None) for x in event["data"])
        is_list = isinstance(event["data"], list)
        return None if plain and is_list and not event.get("event_data") else 400
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 400


SITE = web.Site(PATHS, HEADERS, MAX_BODY, wrong_body)


def gradio() -> Any:
    """Gradio, imported so that it asks nobody for anything.

    Raises:
      InputError: If it is not installed.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # some open files or routes
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        import gradio
    except ImportError as error:
        raise InputError("the page needs Gradio: pip install 'jaxgan[ui]'") from error
    return gradio


def serve(app: Any, port: int) -> None:
    """Answer on a port of this machine, until a signal comes.

    Raises:
      InputError: If the port cannot be had.
    """
    web.serve(app, SITE, port)
