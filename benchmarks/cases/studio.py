"""How long somebody waits in the studio: for the first preview, and after a slider has been moved.

A server of its own is asked as the page asks it; the clock runs from the request to the news on the stream. The
browser's own work is not in it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import Request, urlopen

from _report import Row, listed, markdown

KEY = ("backend",)
NOTE = (
    "The cat and The Starry Night of the package, embedded network, live size 512, `--precision fastest`. Medians "
    "(largest in brackets), seconds."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    for backend in listed(options.backends, options.device, "torch"):
        yield measure(backend, options.device, options.rounds)


def measure(backend: str, device: str, rounds: int) -> Row:
    """One server, some sessions one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nst", "web", "--port", "0", "--folder", folder]
        command += ["--backend", backend, "--device", device]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[-1]
            page = time.perf_counter() - began
            found = [one_session(address) for _ in range(rounds)]
        finally:
            process.terminate()
            process.wait()
    waits = {name: [round(wait[name], 2) for wait in found] for name in found[0]}
    return {"backend": backend, "page": round(page, 2), "waits": waits}


def one_session(address: str) -> dict[str, float]:
    """Seconds until each kind of news."""
    name = json.loads(ask(address, "POST", "sessions"))["session"]
    at = f"sessions/{name}"
    with urlopen(f"{address}{at}/events") as stream:
        news = events(stream)
        next(
            event for event in news if event[0] == "state" and event[1]["machine"]
        )  # backend and network are loaded
        ask(address, "PUT", f"{at}/photo?sample=cat")
        waits = {}
        began = time.perf_counter()
        ask(address, "POST", f"{at}/styles?sample=starry-night")
        next(event for event in news if event[0] == "preview")
        waits["first preview"] = time.perf_counter() - began
        for name, sliders in (("strength", {"strength": 0.7}), ("stroke size", {"stroke": 0.6})):
            for _ in range(12):  # well under way
                next(event for event in news if event[0] == "preview")
            run = json.loads(ask(address, "GET", at))["work"]["run"]
            began = time.perf_counter()
            ask(address, "PATCH", f"{at}/recipe", {**sliders, "gesture": name})
            next(event for event in news if event[0] == "preview" and event[1]["run"] > run)
            waits[name] = time.perf_counter() - began
        next(event for event in news if event[0] == "preview")
        ask(address, "POST", f"{at}/do/stop", {})
        next(event for event in news if event[0] == "state" and event[1]["history"])
        made = json.loads(ask(address, "GET", at))["history"][0]["made"]
        began = time.perf_counter()
        ask(address, "PATCH", f"{at}/recipe", {"color": 0.8, "gesture": "color"})
        next(event for event in news if event[0] == "state" and event[1]["history"][0]["made"] > made)
        waits["colour kept"] = time.perf_counter() - began
    return waits


def events(stream: Any) -> Iterator[tuple[str, Any]]:
    """Server-sent events: kind and document."""
    kind = ""
    for line in stream:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            kind = value
        elif field == "data":
            yield kind, json.loads(value)


def ask(address: str, method: str, path: str, document: Any = None) -> bytes:
    data = b"" if document is None else json.dumps(document).encode()
    with urlopen(Request(address + path, None if method == "GET" else data, method=method)) as answer:
        found: bytes = answer.read()
    return found


def table(rows: list[Row]) -> str:
    names = list(rows[0]["waits"])
    lines = []
    for row in rows:
        waits = [
            f"{statistics.median(row['waits'][name]):.2f} ({max(row['waits'][name]):.2f})" for name in names
        ]
        lines.append([row["backend"], f"{row['page']:.2f}", *waits])
    return markdown(["backend", "address printed", *names], lines)
