"""One file from the first mirror that has it: resumed, checked, whole or not at all.

Only https, and http on this very machine. What arrives goes to a `.part` file that a later attempt
continues; it is handed out only after its hash was checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from email.message import Message
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from nst._version import __version__
from nst.errors import WeightsError, told_as
from nst.models.importers import file_digest
from nst.models.store.catalogue import Source

Answer = TypeVar("Answer")

Progress = Callable[[int, "int | None"], None]  # called with (bytes so far, bytes in all or None)

_ATTEMPTS = 4
_PIECE = 1 << 18
_LARGEST = 2 << 30
_SLOWEST = 2048
"""Bytes a second; a mirror that sends fewer for `_PATIENCE` seconds is left for the next."""
_PATIENCE = 30.0
_MOST = 20  # digits of a length; Python refuses to read a few thousand


class _MirrorError(Exception):
    """This mirror does not give the file; the next one may."""


def download(
    sources: Iterable[Source], folder: Path, progress: Progress | None = None, timeout: float = 15.0
) -> tuple[Path, Source]:
    """Fetch a file from the first of `sources` that gives it whole; the file, its hash checked, and where it is from.

    Its name in the folder comes from its hash, so that an interrupted download of the same file is continued, from
    whichever mirror. `progress` is called after each piece; `timeout` is in seconds for a connection and for each
    piece. WeightsError: no mirror gave it (with each one's reason), or the disk is full.
    """
    reasons = []
    for source in sources:
        part = folder / f".{source.digest.replace(':', '-')[:24]}.part"
        try:
            _fetch(source, part, progress or (lambda done, total: None), timeout)
        except _MirrorError as error:
            reasons.append(f"{source.host}: {error}")
        else:
            return part, source
    why = "; ".join(reasons)
    raise WeightsError(
        f"no mirror gave the file ({why}); the network in the package, embedded, needs no download"
    )


def _fetch(source: Source, part: Path, progress: Progress, timeout: float) -> None:
    _check_url(source.url)
    _check_disk(source, part)
    for _ in range(_ATTEMPTS):
        before = _size(part)
        if source.size is None or before < source.size:
            complete = _transfer(source, part, progress, timeout)
            if not complete:
                if _size(part) > before:
                    continue  # the connection broke, but it brought something: go on from there
                raise _MirrorError("the connection broke")
        if not part.is_file():
            raise _MirrorError("it sends nothing")
        if _matches(source, part):
            return
        part.unlink()
        if before == 0:
            raise _MirrorError(f"its file is not the published one ({source.digest.split(':')[0]} differs)")
    raise _MirrorError("the connection broke again and again")


def _transfer(source: Source, part: Path, progress: Progress, timeout: float) -> bool:
    """Append to `part` what the server still has to give; whether that was all of it."""
    start = _size(part)
    headers = {"User-Agent": f"nst/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        request = urllib.request.Request(source.url, headers=headers)
        # headers may come byte by byte
        response = _within(2 * timeout, partial(_open, request, timeout), "it does not answer")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing follows what is there
            return True
        raise _MirrorError(f"HTTP {error.code} {error.reason}"[:200]) from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an address that is none
        raise _MirrorError(_reason(error)) from error
    with response:
        if response.status != 206 or not _continues(response.headers, start):
            start = 0  # the server ignored the range: from the beginning
        length = response.headers.get("Content-Length", "")
        known = length.isascii() and length.isdigit() and len(length) < _MOST
        total = start + int(length) if known else source.size
        if (total or 0) > _LARGEST or (source.size and total != source.size):
            raise _MirrorError(f"its file has {total} bytes, expected {source.size or 'fewer'}")
        done = start
        for piece in _pieces(response):
            done = _append(part, piece, done)
            if done > (total or _LARGEST):
                part.unlink()
                raise _MirrorError("it sends more than it announced")
            progress(done, total)
    return total is None or done == total


def _pieces(response: http.client.HTTPResponse) -> Iterable[bytes]:
    began, came = time.monotonic(), 0
    while True:
        try:
            piece = response.read1(_PIECE)  # what is there; `read` would wait for all of it
        except http.client.IncompleteRead as error:
            piece = error.partial
        except (OSError, http.client.HTTPException, ValueError):
            return
        came += len(piece)
        if (seconds := time.monotonic() - began) > _PATIENCE:
            if came < _SLOWEST * seconds:
                raise _MirrorError(f"it sends {came / seconds:.0f} bytes a second")
            began, came = time.monotonic(), 0
        if not piece:
            return
        yield piece


def _append(part: Path, piece: bytes, position: int) -> int:
    try:
        with part.open("r+b" if position else "wb") as file:
            file.seek(position)
            file.write(piece)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WeightsError(
            f"cannot write {part}: {error.strerror or error}; free some space or set NST_HOME"
        ) from error
    return position + len(piece)


def _continues(headers: Message, start: int) -> bool:
    return headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _matches(source: Source, part: Path) -> bool:
    algorithm, expected = source.digest.split(":")
    return file_digest(part, algorithm) == expected


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _check_disk(source: Source, part: Path) -> None:
    with told_as(WeightsError, f"cannot write to {part.parent}", "set NST_HOME"):
        part.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(part.parent).free
    missing = (source.size or 0) - _size(part)
    if missing > free:
        raise WeightsError(
            f"{part.parent} has {free >> 20} MB free, {missing >> 20} MB are needed: set NST_HOME"
        )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(parts.hostname or "")):
        raise _MirrorError("only https is used")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """A server may send elsewhere, but not away from https."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    host = urlsplit(request.full_url).hostname or ""
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if _is_this_machine(host):
        handlers.append(urllib.request.ProxyHandler({}))
    elif "https" not in urllib.request.getproxies():
        # by itself it may wait far longer
        _within(timeout, partial(socket.getaddrinfo, host, 443), "name lookup timed out")
    response: http.client.HTTPResponse = urllib.request.build_opener(*handlers).open(request, timeout=timeout)
    return response


def _within(seconds: float, ask: Callable[[], Answer], late: str) -> Answer:
    """What `ask` returns or raises; TimeoutError, which says `late`, where it takes longer."""
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(ask())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not answers:
        raise TimeoutError(late)
    return answers[0]


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return (text.splitlines() or [type(cause).__name__])[0][:200]
