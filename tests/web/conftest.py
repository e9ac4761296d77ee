"""A studio without processes: what it would say to those that paint is written down."""

import asyncio
import io
import os
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from nst.cli.web import serve
from nst.cli.web.app import make_app
from nst.cli.web.guard import Access
from nst.cli.web.messages import Finished, HistoryEntry, Preview
from nst.cli.web.painting import Setup
from nst.cli.web.session import Store
from nst.cli.web.studio import Studio
from nst.cli.web.uploads import Intake
from nst.errors import NSTError

TOKEN, PORT = "t" * 32, 8484
ORIGIN = f"http://127.0.0.1:{PORT}"
INTAKE = Intake()
"""One for all tests: a decoder takes a second or two to start."""


class Scribe:
    """In place of a process that paints."""

    def __init__(self, setup, slow, handle):
        self.slow, self.handle, self.sent, self.alive, self.stops = slow, handle, [], True, []
        self.pid = os.getpid()

    def start(self):
        self.alive = True

    def send(self, request):
        self.sent.append(request)

    def stop(self, patience=0.0):
        self.stops.append(patience)


def png(seed=0, width=40, height=30):
    generator = np.random.default_rng(seed)
    held = io.BytesIO()
    Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8)).save(held, "PNG")
    return held.getvalue()


def open_studio(folder, setup=None, access=None):
    """(studio, client, live, slow) over a folder, as after a start of the server."""
    scribes = []

    def painter(*arguments):
        scribes.append(Scribe(*arguments))
        return scribes[-1]

    studio = Studio(Store(folder), setup or Setup(size=96), lambda call, value: call(value), painter)
    app = make_app(studio, INTAKE, TOKEN, access or Access())
    client = TestClient(app, base_url=f"{ORIGIN}/{TOKEN}/", follow_redirects=False)
    live, slow = scribes
    return SimpleNamespace(studio=studio, client=client, live=live, slow=slow, folder=folder)


@pytest.fixture
def place(tmp_path):
    """A studio in an empty folder."""
    return open_studio(tmp_path / "studio")


@pytest.fixture
def ready(place):
    """The same with a session that has a photograph and a painting."""
    place.name = place.client.post("sessions").json()["session"]
    place.at = f"sessions/{place.name}"
    assert place.client.put(f"{place.at}/photo?name=me.png", content=png(1)).status_code == 204
    assert place.client.post(f"{place.at}/styles?name=art.png", content=png(2)).status_code == 204
    return place


def document(place):
    return place.client.get(place.at).json()


def tell_preview(place, run, step=1, start=None, peak=10**9):
    seen = Preview(place.name, run, step, 40, 1, 1, (40, 30), 5.0, 3.0, peak, start, b"jpeg")
    place.live.handle(seen)


def tell_finished(place, run, why="done"):
    """As the process does when a picture is there; its files are written."""
    folder = place.folder / place.name
    names = {"picture": f"picture-{run}.png", "thumb": f"thumb-{run}.jpg", "raw": f"raw-{run}.png"}
    for name in names.values():
        (folder / name).write_bytes(png(run))
    place.live.handle(Finished(place.name, entry_of(place, run, why, (40, 30), names)))


def entry_of(place, run, why, size, names):
    subject = place.studio.store.get(place.name).subject
    return HistoryEntry(run, why, subject, size, 40, 40, 2.5, 10.0**9, names, f"nst stylize {run}")


@contextmanager
def serving(folder, monkeypatch, access=None):
    """The port of the server itself, over a studio without processes."""
    access, studios, ready = access or Access(), [], threading.Event()

    def studio(store, setup, call_soon):
        studios.append((Studio(store, setup, call_soon, Scribe), call_soon))
        return studios[0][0]

    def run(listener):
        with suppress(NSTError):  # by which it is ended
            asyncio.run(serve._run(Store(folder), Setup(size=96), TOKEN, access, listener, ready.set))

    monkeypatch.setattr(serve, "Studio", studio)
    with serve._listener(access.host, 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        try:
            assert ready.wait(60)
            yield port
        finally:
            (held, call_soon) = studios[0]
            call_soon(held.give_up, "enough")
            thread.join(60)
