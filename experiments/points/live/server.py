"""Serve the live page on this machine. Needs Starlette and uvicorn: ``jaxgan[ui]``."""

import asyncio
import re
from collections.abc import Callable
from importlib import resources
from typing import Any

from experiments.common import web
from experiments.points.live import choices, clouds
from experiments.points.live.programs import ARROWS, LINES, NODES
from experiments.points.live.session import Session
from experiments.points.live.shots import encoded, finite
from jaxgan.errors import InputError

LONGEST = 2**23  # most bytes of a request: a drawing or a file of points
PATIENCE = 20.0  # longest wait of a request for the next picture, seconds
FIELD = (72, 48)  # columns and rows of figures.field_points
FILES = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
SITE = web.Site(
    paths=re.compile(r"/|/page\.(css|js)|/(choices|shot|real|act|file)"),
    headers=web.COMMON_HEADERS
    | {
        "content-security-policy": "default-src 'none'; connect-src 'self'; img-src data:; "
        "script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "cache-control": "no-store",
    },
    longest=LONGEST,
)


def require() -> None:
    """Check that the libraries of the page are installed.

    Raises:
      InputError: If one is missing.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        line = "--live needs Starlette and uvicorn: pip install 'jaxgan[ui]'"
        raise InputError(line) from error


def what_there_is() -> dict[str, Any]:
    """Return the choices of the page and the shapes of its data."""
    names = {name: x.choices for name, x in choices.SETTINGS.items() if x.choices}
    return {
        **names,
        "cloud": choices.CLOUDS,
        "speed": choices.SPEEDS,
        "field": FIELD,
        "aspect": clouds.ASPECT,
        "arrows": ARROWS,
        "lines": LINES,
        "nodes": NODES,
    }


class Feed:
    """Wakes the requests that wait for a shot."""

    def __init__(self):
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Future[None] | None = None

    def tell(self) -> None:
        """Announce a new shot; any thread may call this."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        future, self._next = self._next, None
        if future is not None and not future.done():
            future.set_result(None)

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Return once ``ready`` is true, or after ``PATIENCE`` seconds."""
        self._loop = asyncio.get_running_loop()
        end = self._loop.time() + PATIENCE
        while not ready() and (remaining := end - self._loop.time()) > 0:
            if self._next is None:
                self._next = self._loop.create_future()
            # Other requests may wait, too. A shot that arrives between check and wait is found
            # by the next check.
            await asyncio.wait([self._next], timeout=min(remaining, 0.2))


def application(session: Session, feed: Feed) -> Any:
    """Make the ASGI application of a session's page; ``web.guarded`` must wrap it."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    folder = resources.files("experiments.points.live")

    def file(name: str) -> Any:
        async def answer(request: Request) -> Response:
            return Response(folder.joinpath(name).read_bytes(), media_type=FILES[name])

        return answer

    async def there_is(request: Request) -> Response:
        return JSONResponse(what_there_is())

    async def shot(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        number = int(after) if re.fullmatch("[0-9]{1,12}", after) else 0
        await feed.wait(lambda: session.shot.number > number)
        content = encoded(session.shot, number)
        return Response(content, media_type="application/octet-stream")

    async def real(request: Request) -> Response:
        content = session.shot.real.astype("<f4").tobytes()
        return Response(content, media_type="application/octet-stream")

    async def answer_to(act: str, **arguments: Any) -> Response:
        try:
            answer = await asyncio.wrap_future(session.ask(act, **arguments))
        except (InputError, OSError, TypeError) as error:
            line = " ".join(str(error).split())
            return JSONResponse({"error": line})  # the page expects errors in this form
        return JSONResponse({"answer": finite(answer)})

    async def act(request: Request) -> Response:
        try:
            arguments = dict(await request.json())
            name = str(arguments.pop("act"))
        except (ValueError, TypeError, KeyError, RecursionError):
            return JSONResponse({"error": "not an act"}, 400)
        if name == "load" or not all(isinstance(key, str) for key in arguments):
            return JSONResponse({"error": "not an act"}, 400)
        return await answer_to(name, **arguments)

    async def load(request: Request) -> Response:
        name = request.query_params.get("name", "")
        return await answer_to("load", name=name, content=await request.body())

    return Starlette(
        routes=[
            Route("/", file("page.html")),
            Route("/page.css", file("page.css")),
            Route("/page.js", file("page.js")),
            Route("/choices", there_is),
            Route("/shot", shot),
            Route("/real", real),
            Route("/act", act, methods=["POST"]),
            Route("/file", load, methods=["POST"]),
        ]
    )
