"""Serve a Gradio page to this machine alone; the page asks no other for anything."""

import json
import os
import re
import socket
from collections.abc import Iterable
from typing import Any

from jaxgan.errors import InputError

HOST = "127.0.0.1"
CONNECTIONS = 64  # requests at once
MAX_BODY = 2**18  # bytes that a request may send
# All that the page asks for. Gradio's other routes read files, take uploads, fetch pages.
PATHS = re.compile(
    r"/|/theme\.css|/favicon\.ico|/picture\.png|/(assets|static)/(?!.*\.\.)[\w./-]+"
    r"|/gradio_api/queue/(join|data)"
)
HEADERS = {  # Gradio's page holds scripts of its own, which make functions of texts
    "content-security-policy": "default-src 'none'; connect-src 'self'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def refusal(path: str, headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Status with which a request is refused; None lets it in.

    Pages of other sites reach this machine's ports too, and may take on the server's name
    (DNS rebinding). The headers that browsers send give them away.
    """
    fields = {name.lower(): value.decode("latin-1").lower() for name, value in headers}
    host = fields.get(b"host", "")
    if not re.fullmatch(rf"({re.escape(HOST)}|localhost)(:\d+)?", host):  # tunnels change ports
        return 421
    own = fields.get(b"sec-fetch-site", "none") in ("none", "same-origin") or path == "/"
    if not own or fields.get(b"origin", f"http://{host}") != f"http://{host}":
        return 403
    return None if PATHS.fullmatch(path) else 404


def wrong_body(body: bytes) -> int | None:
    """Status with which a request's body is refused; None lets it in.

    Gradio copies files, or fetches addresses, that a dictionary among the data names.
    """
    if len(body) > MAX_BODY:
        return 413
    try:
        event = json.loads(body)
        plain = all(isinstance(x, str | int | float | None) for x in event["data"])
        listed = isinstance(event["data"], list)
        return None if plain and listed and not event.get("event_data") else 400
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 400


async def _body(receive: Any) -> bytes:
    """The body of a request, or somewhat more of it than is allowed."""
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def guarded(app: Any) -> Any:
    """An ASGI application that refuses, and sends ``HEADERS`` with all it answers."""
    extra = [(name.encode(), text.encode()) for name, text in HEADERS.items()]

    async def application(scope, receive, send):
        async def answer(message):
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", ()), *extra]}
            await send(message)

        http = scope["type"] == "http"
        status = refusal(scope["path"], scope["headers"]) if http else None
        sent = []
        if http and status is None and scope["method"] not in ("GET", "HEAD"):
            body = await _body(receive)
            status = wrong_body(body)
            sent = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            return sent.pop() if sent else await receive()

        if status is not None:
            await answer({"type": "http.response.start", "status": status})
            await answer({"type": "http.response.body", "body": b"refused\n"})
        elif http or scope["type"] == "lifespan":  # no WebSocket
            await app(scope, replay, answer)

    return application


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
    import uvicorn

    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError as error:
            line = f"--port={port}: {error.strerror}; --port=0 takes a free one"
            raise InputError(line) from error
        sock.listen()
        settings = uvicorn.Config(
            guarded(app),
            log_level="critical",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=1,  # pages hold a connection open
        )
        print(f"http://{HOST}:{sock.getsockname()[1]}", flush=True)
        uvicorn.Server(settings).run([sock])
