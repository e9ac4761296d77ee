"""The addresses of the server: the page and its files, sessions, pictures, the stream of events; and who may ask."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from nst.cli.web.recipe import LOOKS, Upload
from nst.cli.web.samples import SAMPLES, sample_bytes
from nst.cli.web.session import Session
from nst.cli.web.studio import MOST_STYLES, Studio
from nst.cli.web.uploads import TooLargeError, bounded, find_faces, store_mask, store_picture
from nst.errors import NSTError, SettingsError

__all__ = ["Guard", "make_app"]

Handler: TypeAlias = Callable[[Request, Session], Awaitable[Response | None]]

STATIC = "static"
LARGEST = 8192
"""Longest side in pixels of a large picture."""

LEAST_WITH_FACES = 128
"""Longest side in pixels of a photograph in which faces are looked for."""


def make_app(studio: Studio, token: str, port: int) -> App:
    """The application, guarded; the studio opens when it starts."""
    pages = _Pages(studio)
    folder = str(files("nst.cli.web") / STATIC)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        studio.open()
        yield
        await run_in_threadpool(studio.close)

    def of_session(path: str, handler: Handler, *methods: str) -> Route:
        return Route(f"/sessions/{{session}}{path}", partial(pages.with_session, handler), methods=methods)

    routes = [
        Route("/", pages.index),
        Route("/about", pages.about),
        Route("/samples/{name}", pages.sample),
        Route("/sessions", pages.make, methods=["POST"]),
        Route("/find", pages.find, methods=["POST"]),
        of_session("", pages.state, "GET"),
        of_session("/events", pages.events, "GET"),
        of_session("/photo", pages.set_photo, "PUT"),
        of_session("/styles", pages.add_style, "POST"),
        of_session("/styles/{number:int}", pages.remove_style, "DELETE"),
        of_session("/recipe", pages.change, "PATCH"),
        of_session("/masks/{name}", pages.set_mask, "PUT", "DELETE"),
        of_session("/do/{action}", pages.act, "POST"),
        of_session("/large", pages.enlarge, "POST"),
        of_session("/large/{job}", pages.cancel, "DELETE"),
        of_session("/files/{file}", pages.file, "GET"),
        Mount("/static", StaticFiles(directory=folder)),
    ]
    errors: Any = {NSTError: partial(_error, 422), TooLargeError: partial(_error, 413)}
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers=errors), token, port)


async def _error(status: int, _: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status)


class _Pages:
    """The handlers, one an address."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def index(self, _: Request) -> Response:
        return Response((files("nst.cli.web") / STATIC / "index.html").read_bytes(), media_type="text/html")

    async def about(self, _: Request) -> Response:
        """What does not change: samples, looks, bounds."""
        samples = [
            {"name": name, "title": sample.title, "credit": sample.credit, "photo": sample.photo}
            for name, sample in SAMPLES.items()
        ]
        looks = [{"name": name, **vars(look)} for name, look in LOOKS.items()]
        size = self._studio.setup.size
        return JSONResponse({"samples": samples, "looks": looks, "styles": MOST_STYLES, "size": size})

    async def sample(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SAMPLES:
            raise HTTPException(404)
        return Response(sample_bytes(name), media_type="image/jpeg")

    async def make(self, _: Request) -> Response:
        return JSONResponse({"session": self._studio.make().name}, 201)

    async def find(self, request: Request) -> Response:
        """Where a picture was made: looked for in the sessions that the page names, as nobody else's are told."""
        data, names = await bounded(request.stream()), request.query_params.get("sessions", "").split(",")
        return JSONResponse(await run_in_threadpool(self._studio.store.find_picture, data, names[:100]))

    async def with_session(self, handler: Handler, request: Request) -> Response:
        """Hand a request on with its session; what is done answers with nothing."""
        session = self._studio.store.get(request.path_params["session"])
        if session is None:
            raise HTTPException(404)
        return await handler(request, session) or Response(status_code=204)

    async def state(self, _: Request, session: Session) -> Response:
        return JSONResponse(self._studio.document(session))

    async def events(self, _: Request, session: Session) -> Response:
        events = self._studio.subscribe(session)

        async def stream() -> AsyncIterator[str]:
            try:
                async for lines in events.lines():
                    yield lines
            finally:
                self._studio.unsubscribe(session, events)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def set_photo(self, request: Request, session: Session) -> Response:
        upload = await self._upload(request, session, painting=False)
        self._studio.set_photo(self._now(session), upload)
        return Response(status_code=204, background=BackgroundTask(self._find_faces, session, upload))

    async def _find_faces(self, session: Session, photo: Upload) -> None:
        """In the photograph that was given, after the answer; without what finds them there are none."""
        if max(photo.width, photo.height) < LEAST_WITH_FACES:
            return
        with suppress(NSTError):
            found = await run_in_threadpool(find_faces, self._studio.store.path(session) / photo.file)
            if found is not None:
                self._studio.set_faces(self._now(session), photo, *found)

    async def add_style(self, request: Request, session: Session) -> None:
        if len(session.subject.styles) >= MOST_STYLES:
            raise SettingsError(f"there are {MOST_STYLES} paintings already: take one away first")
        upload = await self._upload(request, session, painting=True)
        self._studio.add_style(self._now(session), upload)

    async def remove_style(self, request: Request, session: Session) -> None:
        self._studio.remove_style(session, request.path_params["number"])

    async def change(self, request: Request, session: Session) -> None:
        sliders = await _json(request)
        gesture = str(sliders.pop("gesture", ""))[:40]
        self._studio.change(self._now(session), sliders, gesture)

    async def set_mask(self, request: Request, session: Session) -> None:
        file, folder = None, self._studio.store.path(session)
        if request.method == "PUT":
            data = await bounded(request.stream())
            file = await run_in_threadpool(store_mask, data, folder)
        gesture = request.query_params.get("gesture", "")[:40]
        self._studio.set_mask(self._now(session), request.path_params["name"], file, gesture)

    async def act(self, request: Request, session: Session) -> None:
        document, studio = await _json(request), self._studio
        actions: dict[str, Callable[[Session], None]] = {
            "stop": studio.stop,
            "continue": studio.go_on,
            "restart": studio.restart,
            "undo": studio.undo,
            "redo": studio.redo,
            "restore": lambda session: studio.restore(session, _integer(document, "run")),
            "star": lambda session: studio.star(session, _integer(document, "run")),
            "delete": lambda session: studio.delete(session, _integer(document, "run")),
            "plan": lambda session: studio.plan(session, _large_size(document)),
        }
        action = request.path_params["action"]
        if action not in actions:
            raise HTTPException(404)
        actions[action](self._now(session))

    async def enlarge(self, request: Request, session: Session) -> None:
        document = await _json(request)
        size, quick = _large_size(document), document.get("quick") is True
        self._studio.enlarge(self._now(session), size, quick)

    async def cancel(self, request: Request, session: Session) -> None:
        self._studio.cancel(session, request.path_params["job"])

    async def file(self, request: Request, session: Session) -> Response:
        """A picture of a session; `?save=NAME` for the user to keep."""
        name = request.path_params["file"]
        path = self._studio.store.path(session) / name
        if name != Path(name).name or path.suffix not in (".jpg", ".png") or not path.is_file():
            raise HTTPException(404)
        save = request.query_params.get("save")
        return FileResponse(path, filename=Path(save).name[:80] if save else None)

    async def _upload(self, request: Request, session: Session, painting: bool) -> Upload:
        """What was uploaded, or the sample that was chosen; decoded beside the server's own thread."""
        sample, folder = request.query_params.get("sample"), self._studio.store.path(session)
        if sample is not None and sample not in SAMPLES:
            raise HTTPException(404)
        number = self._studio.store.number(session)
        if sample is not None:
            data, name, credit = sample_bytes(sample), SAMPLES[sample].title, SAMPLES[sample].credit
        else:
            name, credit = request.query_params.get("name", "picture"), ""
            data = await bounded(request.stream())
        return await run_in_threadpool(store_picture, data, folder, number, name, painting, credit)

    def _now(self, session: Session) -> Session:
        """As it is after something was waited for."""
        return self._studio.store.get(session.name) or session


async def _json(request: Request) -> dict[str, Any]:
    """A JSON object of moderate size; anything else is a SettingsError."""
    data = await bounded(request.stream(), 2**16)
    try:
        document = json.loads(data or b"{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SettingsError("the request is not a JSON object")
    return document


def _integer(document: dict[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SettingsError(f"{name} must be a whole number")
    return value


def _large_size(document: dict[str, Any]) -> int:
    size = _integer(document, "size")
    if not 16 <= size <= LARGEST:
        raise SettingsError(f"size is {size}: it must be a number of pixels from 16 to {LARGEST}")
    return size


Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost", "[::1]")

SAFE = ("GET", "HEAD", "OPTIONS")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Who may ask: this server's own page, with the token in its address, and nobody else.

    Another page in the same browser can send requests here (cross-site request forgery), and a name that its owner
    points to 127.0.0.1 makes them look like its own (DNS rebinding). So a request must

    1. name this host and port in `Host` (RFC 9110, section 7.2), which a rebound name does not;
    2. come from here, if the browser says where it comes from: by `Origin` (RFC 6454, section 7) for all methods, by
       `Sec-Fetch-Site` (W3C, Fetch Metadata Request Headers) for those that are not safe (RFC 9110, section 9.2.1),
       as the address itself may be opened from elsewhere;
    3. begin its path with the token, which no other page and no other user of the machine knows.

    Programs that are not browsers send neither header of the second rule.

    Args:
        app: that is guarded; it sees paths without the token.
        token: that every path begins with.
        port: that the server listens to.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{host}:{port}" for host in HOSTS}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope["method"], scope["path"], headers)
        if refused:
            await PlainTextResponse(refused + "\n", 403)(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answered.setdefault(name, value)
            await send(message)

        prefix = f"/{self._token}"
        inner = {**scope, "path": scope["path"][len(prefix) :], "raw_path": None}
        await self._app(inner, receive, send_with_headers)

    def _refused(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Why a request is refused; "" where it is not."""
        first, _, _ = path[1:].partition("/")
        known = secrets.compare_digest(first.encode("utf-8", "replace"), self._token.encode())
        if headers.get("host", "").lower() not in self._hosts:
            return "this server answers to 127.0.0.1 alone"
        if headers.get("origin", "").lower() not in ("", *self._origins):
            return "requests of other pages are refused"
        if method not in SAFE and headers.get("sec-fetch-site", "none").lower() not in (
            "same-origin",
            "none",
        ):
            return "requests of other pages are refused"
        if not known or not path.startswith(f"/{first}/"):
            return "open the whole address that 'nst web' has printed: its token is missing or another one"
        return ""
