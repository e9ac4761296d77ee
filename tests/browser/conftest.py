"""A real browser: Debian's Chromium, driven by Playwright; and the studio in it."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, scene


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium; skipped without one, failed if NST_REQUIRE_BROWSER is set.

    Of a module and not of the session: Playwright's event loop runs in this thread for as long as it lives.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        required = os.environ.get("NST_REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)("there is no chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """An empty page in a session of its own, where nothing moves; an error in its scripts fails the test."""
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


SIZE = 64
PATIENCE = 180_000  # ms; of a machine that is busy with other things


LARGE = 256
"""Side of a live picture that takes some seconds: what a test does meanwhile is done before it is finished."""


@pytest.fixture(scope="module")
def server(tmp_path_factory, weights_file):
    """`nst web` in a process of its own: its address and its folder."""
    with serving(tmp_path_factory.mktemp("studio"), weights_file, SIZE) as found:
        yield found


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory, weights_file):
    """`nst web` whose live pictures are that large."""
    with serving(tmp_path_factory.mktemp("slow"), weights_file, LARGE) as found:
        yield found


@pytest.fixture
def unhurried(page, slow_server, files):
    """The page of a session whose picture takes some seconds; and its server."""
    session = begin(slow_server, files)
    yield enter(page, slow_server, session), slow_server
    ask(slow_server, "DELETE", f"sessions/{session}/styles/1", b"")  # which ends what is still painted


@contextmanager
def serving(folder, weights_file, size):
    command = [sys.executable, Path(__file__).with_name("quick_studio.py"), "web", "--port", "0"]
    command += ["--folder", folder, "--backend", "numpy", "--weights", weights_file, "--size", str(size)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
    first = process.stdout.readline()
    assert first.startswith("The studio is at http://127.0.0.1:"), first
    try:
        yield SimpleNamespace(address=first.split()[-1], folder=folder, pid=process.pid)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.stdout.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A photograph (120x90) and two paintings as files."""
    folder = tmp_path_factory.mktemp("uploads")
    for name, seed, size in (("me", 11, (120, 90)), ("art", 12, (80, 100)), ("ink", 13, (90, 90))):
        Image.fromarray(scene(seed, *size)).save(folder / f"{name}.png")
    return SimpleNamespace(photo=folder / "me.png", art=folder / "art.png", ink=folder / "ink.png")


@pytest.fixture
def studio(page, server, files):
    """The page of a session that has a photograph and a painting, which are being painted."""
    return enter(page, server, begin(server, files))


@pytest.fixture(scope="module")
def session(server, files):
    """A session for tests that leave its picture alone."""
    return begin(server, files)


@pytest.fixture
def finished(page, server, session):
    """The page of that session, on which its picture is seen: what is kept is what is seen."""
    enter(page, server, session)
    wait_for(page, "done")
    page.wait_for_selector("#result[data-ready]")
    return page


def begin(server, files):
    """A session with a photograph and a painting; its name."""
    name = json.loads(ask(server, "POST", "sessions", b""))["session"]
    ask(server, "PUT", f"sessions/{name}/photo?name=me.png", files.photo.read_bytes())
    ask(server, "POST", f"sessions/{name}/styles?name=art.png", files.art.read_bytes())
    return name


def enter(page, server, session):
    page.set_default_timeout(PATIENCE)
    page.goto(f"{server.address}#{session}")
    page.wait_for_selector("body[data-state=studio]")
    return page


def ask(server, method, path, data):
    with urlopen(Request(server.address + path, data, method=method), timeout=60) as answer:
        return answer.read()


def upload(page, door, *paths):
    with page.expect_file_chooser() as chooser:
        page.click(door)
    chooser.value.set_files(paths[0] if len(paths) == 1 else list(paths))


def wait_for(page, work):
    page.wait_for_selector(f"body[data-work={work}]")


def state(page):
    """What the server says of the session."""
    return page.evaluate("async () => (await fetch(`sessions/${location.hash.slice(1)}`)).json()")


def wait_until(page, test):
    """Until the stream brings a state `s` of which an expression is true."""
    page.evaluate(
        f"""() => new Promise((resolve) => {{
            const news = new EventSource(`sessions/${{location.hash.slice(1)}}/events`);
            news.addEventListener("state", (event) => {{
                const s = JSON.parse(event.data);
                if ({test}) {{ news.close(); resolve(); }}
            }});
        }})"""
    )


def download(page):
    """The picture that the button gives, as floats."""
    with page.expect_download() as saved:
        page.click("#download")
    assert saved.value.suggested_filename.endswith(".png")
    image = Image.open(saved.value.path())
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"), float)


def slide(page, name, value):
    page.eval_on_selector(
        f"#slider-{name}",
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
        value,
    )


def next_run(page, before):
    """Until the page shows the result of a later run."""
    page.wait_for_function(
        "run => Number(document.body.dataset.run) > run && document.body.dataset.work === 'done'", arg=before
    )
