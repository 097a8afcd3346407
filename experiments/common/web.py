"""Serve pages to browsers on this machine only. Needs uvicorn."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from jaxgan.errors import InputError

HOST = "127.0.0.1"
CONNECTIONS = 64  # most simultaneous requests


class Site(NamedTuple):
    """The requests and answers of a page.

    Attributes:
      paths: Pattern of all valid paths.
      headers: Headers of every answer.
      longest: Most bytes that a request may send.
      wrong_body: Function that returns a status to refuse a request's body, or ``None``.
    """

    paths: re.Pattern[str]
    headers: Mapping[str, str]
    longest: int
    wrong_body: Callable[[bytes], int | None] = lambda body: None


COMMON_HEADERS = {"referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


def check_port(port: int) -> None:
    """Check a port number.

    Raises:
      InputError: If it is out of range.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port={port} must be 0 to 65535")


def refusal(
    paths: re.Pattern[str], path: str, headers: Iterable[tuple[bytes, bytes]]
) -> int | None:
    """Return the status to refuse a request with; None accepts it.

    Pages of other sites can reach this machine's ports, too, and can pretend to be the server
    (DNS rebinding). The headers that browsers send reveal them.
    """
    fields = {name.lower(): value.decode("latin-1").lower() for name, value in headers}
    host = fields.get(b"host", "")
    if not re.fullmatch(rf"({re.escape(HOST)}|localhost)(:\d+)?", host):  # tunnels change ports
        return 421
    own = fields.get(b"sec-fetch-site", "none") in ("none", "same-origin") or path == "/"
    if not own or fields.get(b"origin", f"http://{host}") != f"http://{host}":
        return 403
    return None if paths.fullmatch(path) else 404


async def _body(receive: Any, longest: int) -> bytes | None:
    """Read a request's body, just beyond the limit at most; None if it is interrupted."""
    body, more = b"", True
    while more and len(body) <= longest:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def guarded(app: Any, site: Site) -> Any:
    """Wrap an ASGI application: check its requests, and add the site's headers to answers."""
    extra = [(name.encode(), text.encode()) for name, text in site.headers.items()]

    async def application(scope, receive, send):
        async def answer(message):
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", ()), *extra]}
            await send(message)

        http = scope["type"] == "http"
        status = refusal(site.paths, scope["path"], scope["headers"]) if http else None
        messages = []
        if http and status is None and scope["method"] not in ("GET", "HEAD"):
            body = await _body(receive, site.longest)
            if body is None:
                return
            status = 413 if len(body) > site.longest else site.wrong_body(body)
            messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            return messages.pop() if messages else await receive()

        if status is not None:
            await answer({"type": "http.response.start", "status": status})
            await answer({"type": "http.response.body", "body": b"refused\n"})
        elif http or scope["type"] == "lifespan":  # no WebSockets
            await app(scope, replay, answer)

    return application


@contextlib.contextmanager
def _listening(app: Any, site: Site, port: int) -> Iterator[tuple[Any, socket.socket]]:
    """Make a uvicorn server and the socket of its port; print the address."""
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
            guarded(app, site),
            log_config=None,
            log_level="critical",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=1,  # pages hold a connection open
        )
        print(f"http://{HOST}:{sock.getsockname()[1]}", flush=True)
        yield uvicorn.Server(settings), sock


def serve(app: Any, site: Site, port: int) -> None:
    """Serve on a port of this machine until a signal comes.

    Raises:
      InputError: If the port is not available.
    """
    with _listening(app, site, port) as (server, sock):
        server.run([sock])


@contextlib.contextmanager
def serving(app: Any, site: Site, port: int) -> Iterator[None]:
    """Serve on a port of this machine from another thread during the ``with`` block.

    Raises:
      InputError: If the port is not available.
    """
    with _listening(app, site, port) as (server, sock):
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(5)
