"""A service that paints pictures in the style of others: HTTP around `jobs.py`. Run it with `python app.py`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as AnyHTTPException  # also what the router raises
from starlette.types import ASGIApp, Receive, Scope, Send

import nst
from jobs import BusyError, Config, Job, Jobs, Status
from nst.settings import ColorMode

# NST_SERVICE_STEPS=300 and so on; each is explained in `Config`
NAMES = {name: f"NST_SERVICE_{name.upper()}" for name in Config.model_fields}
CONFIG = Config.model_validate({name: os.environ[key] for name, key in NAMES.items() if key in os.environ})
FORM_BYTES = 2**16  # of a request beside its two files


class Asked(BaseModel, extra="forbid"):
    """The form that a client sends. Limits are here, so that `/docs` shows them and FastAPI checks them."""

    content: UploadFile
    style: UploadFile
    size: int = Field(min(512, CONFIG.size), ge=1, le=CONFIG.size)
    steps: int = Field(min(300, CONFIG.steps), ge=0, le=CONFIG.steps)
    style_strength: float = Field(0.5, ge=0, le=1)
    color: ColorMode = "none"
    deadline: float = Field(CONFIG.deadline, ge=0, le=CONFIG.deadline)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load everything before the first request, and leave nothing running after the last."""
    app.state.jobs, app.state.loop = Jobs(CONFIG), asyncio.get_running_loop()
    yield
    app.state.jobs.stop()
    await app.state.jobs.join()


app = FastAPI(title="Style transfer", lifespan=lifespan)


def get_jobs() -> Jobs:
    """All jobs."""
    jobs: Jobs = app.state.jobs
    return jobs


def get_job(id_: str, jobs: Annotated[Jobs, Depends(get_jobs)]) -> Job:
    """The job that the address names."""
    job = jobs.get(id_)
    if job is None:
        raise HTTPException(404, "there is no such job: it has been forgotten, or never was")
    return job


AllJobs = Annotated[Jobs, Depends(get_jobs)]
OneJob = Annotated[Job, Depends(get_job)]


@app.post("/jobs", status_code=202)
async def add(
    asked: Annotated[Asked, Form(media_type="multipart/form-data")], jobs: AllJobs, response: Response
) -> Status:
    """Put a picture into the queue."""
    content, style = await read("content", asked.content), await read("style", asked.style)
    job = await jobs.add(content, style, **asked.model_dump(exclude={"content", "style"}))
    response.headers["Location"] = f"/jobs/{job.status.id}"
    return job.status


async def read(name: str, upload: UploadFile) -> bytes:
    """A file that came with the form."""
    if (upload.size or 0) > CONFIG.file_bytes:
        raise HTTPException(413, f"{name}: {upload.size:,} bytes, and {CONFIG.file_bytes:,} are allowed")
    return await upload.read()


@app.get("/jobs/{id_}")
async def status(job: OneJob) -> Status:
    """How far it is."""
    return job.status


@app.get("/jobs/{id_}/events", response_class=EventSourceResponse)
async def events(job: OneJob) -> AsyncIterator[ServerSentEvent]:
    """The status now and after every step; the stream ends with the job."""
    async for status in job.follow():
        yield ServerSentEvent(event=status.state, id=str(status.step), data=status)


@app.get("/jobs/{id_}/picture", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def picture(job: OneJob) -> Response:
    """The result as PNG; of a cancelled job, what there was of it."""
    if job.png is None or not job.status.ended:
        raise HTTPException(409, f"there is no picture: the job is {job.status.state}")
    return Response(job.png, media_type="image/png")


@app.delete("/jobs/{id_}")
async def delete(job: OneJob, jobs: AllJobs) -> Status:
    """Cancel a job, within one step; forget one that has ended."""
    if job.status.ended:
        jobs.forget(job)
    else:
        jobs.cancel(job)
    return job.status


@app.get("/health")
async def health(jobs: AllJobs) -> dict[str, Any]:
    """Whether it is up, and how busy."""
    machine = {"backend": f"{jobs.backend.name} on {jobs.backend.device}", "network": jobs.weights.name}
    return {"queued": jobs.count("queued"), "running": jobs.count("running"), **machine}


# Errors: one line of JSON, whoever finds them.


def refused(code: int, text: str, **headers: str) -> JSONResponse:
    """One line of JSON."""
    return JSONResponse({"error": " ".join(text.split())}, code, headers)


@app.exception_handler(AnyHTTPException)
async def http_error(request: Request, error: AnyHTTPException) -> JSONResponse:
    """No such address, no such job."""
    return refused(error.status_code, str(error.detail), **(error.headers or {}))


@app.exception_handler(RequestValidationError)
async def form_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """A form with a field that is missing, unknown or out of range."""
    return refused(422, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))


@app.exception_handler(nst.SettingsError)
@app.exception_handler(nst.ImageError)
async def nst_error(request: Request, error: nst.NSTError) -> JSONResponse:
    """A file that is no picture, settings that do not go together, more memory than is allowed."""
    return refused(422, str(error))


@app.exception_handler(BusyError)
async def busy(request: Request, error: BusyError) -> JSONResponse:
    """The queue is full."""
    return refused(429, str(error), **{"Retry-After": "10"})


@app.exception_handler(Exception)
async def fault(request: Request, error: Exception) -> JSONResponse:
    """A fault of the service, which the log tells."""
    return refused(500, "a fault of the service; its log says more")


class BoundedBody:
    """Refuses a body before it is read: FastAPI would write all of it to the disk first."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification; uvicorn holds a client to the length that it names."""
        app = self.app
        if scope["type"] == "http" and scope["method"] == "POST":
            length = Headers(scope=scope).get("content-length", "")
            if not length.isdecimal():
                app = refused(411, "say how long the body is (Content-Length)")
            elif int(length) > self.most:
                app = refused(413, f"{int(length):,} bytes, and {self.most:,} are allowed")
        await app(scope, receive, send)


app.add_middleware(BoundedBody, most=2 * CONFIG.file_bytes + FORM_BYTES)


class Server(uvicorn.Server):
    """Cancels the jobs when it is told to stop: uvicorn waits for event streams, and these end with their jobs."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In the middle of anything, so that only the event loop may be told."""
        if not self.should_exit and self.started:
            app.state.loop.call_soon_threadsafe(app.state.jobs.stop)
        super().handle_exit(sig, frame)


if __name__ == "__main__":
    Server(uvicorn.Config(app, CONFIG.host, CONFIG.port, timeout_graceful_shutdown=CONFIG.grace)).run()
