"""The addresses of the server: the page and its files, sessions, pictures, the stream of events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from nst.cli.web.guard import Access, App, Guard
from nst.cli.web.painting import unwritten_line
from nst.cli.web.recipe import LOOKS, MOST_STYLES, Upload
from nst.cli.web.session import Session
from nst.cli.web.studio import Studio
from nst.cli.web.uploads import MOST_BYTES, Intake, TooLargeError, bounded, find_faces
from nst.errors import NSTError, SettingsError
from nst.files import is_full, read_json
from nst.samples import SAMPLES, read_sample

Handler: TypeAlias = Callable[[Request, Session], Awaitable[Response | None]]

STATIC = "static"
LARGEST = 8192
"""Longest side in pixels of a large picture."""

LEAST_WITH_FACES = 128
"""Longest side in pixels of a photograph in which faces are looked for."""


VALUE = (str, float, bool, None, [float])
"""What a request says under a name."""


def make_app(studio: Studio, intake: Intake, token: str, access: Access) -> App:
    """The application, guarded; the studio opens when it starts."""
    pages = _Pages(studio, intake)
    folder = str(files("nst.cli.web") / STATIC)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        studio.open()
        intake.open()
        yield
        intake.close()
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
        of_session("/styles/{number}", pages.remove_style, "DELETE"),
        of_session("/recipe", pages.change, "PATCH"),
        of_session("/masks/{name}", pages.set_mask, "PUT", "DELETE"),
        of_session("/do/{action}", pages.act, "POST"),
        of_session("/large", pages.enlarge, "POST"),
        of_session("/large/{job}", pages.cancel, "DELETE"),
        of_session("/files/{file}", pages.file, "GET"),
        Mount("/static", StaticFiles(directory=folder)),
    ]
    errors: Any = {
        NSTError: partial(_error, 422),
        TooLargeError: partial(_error, 413),
        ClientDisconnect: partial(_error, 400),
        OSError: partial(_disk_error, studio.store.folder),
    }
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=errors)
    app.router.redirect_slashes = False  # to an address without the token
    return Guard(app, token, access)


async def _error(status: int, _: Request, error: Exception) -> Response:
    text = str(error)  # which may hold what was asked, at any length
    return JSONResponse({"error": text if len(text) <= 500 else f"{text[:500]} ..."}, status)


async def _disk_error(folder: Path, request: Request, error: OSError) -> Response:
    return await _error(507 if is_full(error) else 500, request, NSTError(unwritten_line(folder, error)))


class _Pages:
    """The handlers, one an address."""

    def __init__(self, studio: Studio, intake: Intake) -> None:
        self._studio, self._intake = studio, intake

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
        return Response(read_sample(SAMPLES[name].file), media_type="image/jpeg")

    async def make(self, _: Request) -> Response:
        return JSONResponse({"session": self._studio.make().name}, 201)

    async def find(self, request: Request) -> Response:
        """Where a picture was made: looked for in the sessions that the page names, as nobody else's are told."""
        data = await bounded(request.stream(), MOST_BYTES)
        names = request.query_params.get("sessions", "").split(",")
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

        unbuffered = {"x-accel-buffering": "no"}  # by nginx, which would hold events back
        return StreamingResponse(stream(), media_type="text/event-stream", headers=unbuffered)

    async def set_photo(self, request: Request, session: Session) -> Response:
        upload = await self._upload(request, session, painting=False)
        self._studio.set_photo(self._now(session), upload)
        return Response(status_code=204, background=BackgroundTask(self._find_faces, session, upload))

    async def _find_faces(self, session: Session, photo: Upload) -> None:
        """In the photograph that was given, after the answer; without what finds them there are none."""
        if max(photo.width, photo.height) < LEAST_WITH_FACES:
            return
        with suppress(NSTError):
            found = await run_in_threadpool(find_faces, self._studio.store.path(session) / photo.view)
            if found is not None:
                self._studio.set_faces(self._now(session), photo, *found)

    async def add_style(self, request: Request, session: Session) -> None:
        if len(session.subject.styles) >= MOST_STYLES:
            raise SettingsError(f"there are {MOST_STYLES} paintings already: take one away first")
        upload = await self._upload(request, session, painting=True)
        try:
            self._studio.add_style(self._now(session), upload)
        except SettingsError:  # others have come meanwhile
            for file in (upload.file, upload.view):
                (self._studio.store.path(session) / file).unlink(missing_ok=True)
            raise

    async def remove_style(self, request: Request, session: Session) -> None:
        number = request.path_params["number"]
        if not re.fullmatch("[1-9]", number):
            raise HTTPException(404)
        self._studio.remove_style(session, int(number))

    async def change(self, request: Request, session: Session) -> None:
        sliders = await _json(request)
        gesture = str(sliders.pop("gesture", ""))[:40]
        self._studio.change(self._now(session), sliders, gesture)

    async def set_mask(self, request: Request, session: Session) -> None:
        name, file = request.path_params["name"], None
        self._studio.check_mask_name(session, name)
        if request.method == "PUT":
            file = await self._intake.mask(request.stream(), self._studio.store.path(session))
        gesture = request.query_params.get("gesture", "")[:40]
        self._studio.set_mask(self._now(session), name, file, gesture)

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
        """A picture of a session; `?save=NAME` for the user to keep, with the suffix that it has."""
        name = request.path_params["file"]
        path = self._studio.store.path(session) / name
        if not re.fullmatch(r"[\w-]{1,80}\.(jpg|png)", name) or not path.is_file():
            raise HTTPException(404)
        save, kind = request.query_params.get("save"), "png" if path.suffix == ".png" else "jpeg"
        kept = None if save is None else f"{Path(save).stem.strip('.')[:80] or 'picture'}{path.suffix}"
        return FileResponse(path, filename=kept, media_type=f"image/{kind}")

    async def _upload(self, request: Request, session: Session, painting: bool) -> Upload:
        """What was uploaded, or the sample that was chosen."""
        sample, folder = request.query_params.get("sample"), self._studio.store.path(session)
        if sample is not None and sample not in SAMPLES:
            raise HTTPException(404)
        number = self._studio.store.number(session)
        if sample is not None:
            found = SAMPLES[sample]
            stream, name, credit = _once(read_sample(found.file)), found.title, found.credit
        else:
            stream, name, credit = request.stream(), request.query_params.get("name", "picture")[:80], ""
        return await self._intake.picture(stream, folder, number, name, painting, credit)

    def _now(self, session: Session) -> Session:
        """As it is after something was waited for."""
        return self._studio.store.get(session.name) or session


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _json(request: Request) -> dict[str, Any]:
    """A JSON object of moderate size; anything else is a SettingsError."""
    data = await bounded(request.stream(), 2**16)
    try:
        document: dict[str, Any] = read_json(data or b"{}", {str: VALUE})
    except ValueError:
        raise SettingsError(
            "the request is not a JSON object of words, numbers and lists of numbers"
        ) from None
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
