"""Seconds a step of the exported graph in a browser, beside ONNX Runtime outside one, on the same graph.

    make browser && python benchmarks/run.py browser

The page's own worker (docs/browser) takes steps in Chromium, then ONNX Runtime takes as many in a process of its own,
and so on in turn, so that both see the same machine. The fastest step counts: other work on the machine only adds.
Seconds of CPU (of all threads and processes of that side) hardly depend on it. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
from _report import ROOT, Row, markdown

KEY = ("graph", "threads")
NOTE = "VGG19 to conv5_1 (embedded), forward, backward and a step of Adam. The fastest step of each."
SITE = ROOT / "docs" / "browser"
MARKS: dict[str, float] = {}
WORK = """
async ([model, steps, device, threads]) => {
  const picture = async (name) => createImageBitmap(await (await fetch(`samples/${name}.jpg`)).blob());
  window.worker ??= new Worker("worker.js", { type: "module" });
  const seconds = [];
  const wish = { type: "start", models: [model], steps, device, threads, strength: 0.5, rate: 0.02 };
  Object.assign(wish, { photograph: await picture("rocket"), painting: await picture("starry_night") });
  return new Promise((resolve, reject) => {
    window.worker.onmessage = ({ data }) => {
      if (data.type === "step" && data.number === 1) window.mark("begin");
      if (data.type === "step") seconds.push(data.seconds);
      if (data.type === "done") window.mark("end").then(() => resolve(seconds));
      if (data.type === "failed") reject(new Error(data.text));
    };
    window.worker.postMessage(wish);
  });
}
"""


class Handler(SimpleHTTPRequestHandler):
    """Files, with the headers that a page needs for threads."""

    def end_headers(self) -> None:
        """See the class."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=4, help="in a row, before the other side's turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])


def rows(options: argparse.Namespace, child: Callable[..., Row | None]) -> Iterator[Row | None]:
    models = json.loads((SITE / "models/models.json").read_text())
    with _page() as (page, version):
        for model in models:
            if model["height"] * 4 == model["width"] * 3:
                for threads in options.threads:
                    yield _row(page, version, model, threads, options, child)


def _row(
    page: Any,
    version: str,
    model: Row,
    threads: int,
    options: argparse.Namespace,
    child: Callable[..., Row | None],
) -> Row | None:
    rows: dict[str, list[float]] = {"browser": [], "browser_cpu": [], "native": [], "native_cpu": []}
    for _ in range(options.rounds):
        MARKS.clear()
        rows["browser"] += page.evaluate(WORK, [model, options.steps + 1, "cpu", threads])[1:]
        rows["browser_cpu"].append((MARKS["end"] - MARKS["begin"]) / options.steps)
        done = child(graph=model["graph"], threads=threads, steps=options.steps)
        if done is None:
            return None
        rows["native"] += done["seconds"]
        rows["native_cpu"].append(done["cpu"] / options.steps)
    runtime = json.loads((SITE / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    versions = {"chromium": version, "onnxruntime-web": runtime, **done["versions"]}
    return {
        "graph": model["graph"],
        "threads": threads,
        **{name: min(values) for name, values in rows.items()},
        "versions": versions,
    }


@contextmanager
def _page() -> Iterator[tuple[Any, str]]:
    """The page in Chromium, and its version."""
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.expose_function("mark", lambda name: MARKS.update({name: _cpu_of_children()}))
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        yield page, browser.version
        browser.close()
    server.shutdown()
    server.server_close()


def _cpu_of_children() -> float:
    """Seconds of CPU that Chromium has taken so far, with all its processes."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def measure(graph: str, threads: int, steps: int) -> Row:
    import numpy as np
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(SITE / "models" / graph), settings, ["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    feeds = {
        value.name: np.asarray(generator.random(value.shape), np.float32) for value in session.get_inputs()
    }
    names = ["total", *(value.name for value in session.get_outputs() if value.name.startswith("next/"))]
    session.run(names, feeds)  # the first one allocates
    seconds, cpu = [], time.process_time()
    for _ in range(steps):
        began = time.perf_counter()
        session.run(names, feeds)
        seconds.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "versions": {"onnxruntime": onnxruntime.__version__}}


def table(rows: list[Row]) -> str:
    heads = ("size", "threads", "in Chromium", "native", "CPU in Chromium", "CPU native", "ratio of CPU")
    lines = []
    for row in rows:
        names = ("browser", "native", "browser_cpu", "native_cpu")
        figures = [f"{row[name]:.2f} s" for name in names]
        ratio = f"{row['browser_cpu'] / row['native_cpu']:.1f}"
        lines.append([row["graph"].removesuffix(".onnx"), row["threads"], *figures, ratio])
    return markdown(heads, lines)
