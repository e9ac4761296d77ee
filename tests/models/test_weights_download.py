"""Downloads from a server on this machine: resumed, checked, whole or not at all, once for all processes."""

import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from nst.errors import WeightsError
from nst.models.random import random_weights
from nst.models.store import cache
from nst.models.store.catalogue import CATALOGUE, Entry, Source
from nst.models.store.download import download
from nst.models.store.resolve import obtain, resolve_weights


def network_file(seed=0):
    """An .npz of a small VGG19, with Gatys' names."""
    members = {}
    for layer, (weight, bias) in random_weights(seed, 1 / 16).convolutions.items():
        members |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    return buffer.getvalue()


DATA = network_file()
SIZE = len(DATA)
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves DATA at any path; `breaks` bytes at first, what `answers` says at /NAME."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.break_after = []
        self.pause = 0.0

    def source(self, path, digest=DIGEST, size=SIZE):
        return Source(f"http://127.0.0.1:{self.server_address[1]}/{path}", digest, size)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.strip("/")
        asked = self.headers.get("Range")
        self.server.requests.append((kind, asked))
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://mirror.invalid/file")
            self.end_headers()
            return
        if kind.startswith(("trickle", "slow-headers", "absurd")):
            self.misbehave(kind)
            return
        body = bytes(len(DATA)) if kind == "corrupt" else b"<html>" if kind == "page" else DATA
        start = int(asked.split("=")[1].rstrip("-")) if asked and kind != "no-ranges" else 0
        if start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        body = body[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.break_after:
            body = body[: self.server.break_after.pop(0)]
        time.sleep(self.server.pause)
        self.wfile.write(body)

    def misbehave(self, kind):
        if kind.startswith("absurd"):
            absurd = ABSURD[kind]
            self.wfile.write(
                absurd if absurd.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n" + absurd + b"\r\n\r\n"
            )
            self.wfile.write(b"x")
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DATA)
        try:
            if kind == "trickle":
                self.wfile.write(head)
            for byte in DATA if kind == "trickle" else b"HTTP/1.1 200 OK\r\nX: " + 10_000 * b"x":
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        except OSError:  # nobody listens any more
            pass

    def log_message(self, *arguments):
        pass


ABSURD = {
    "absurd-length": b"Content-Length: " + b"9" * 5000,
    "absurd-digit": "Content-Length: \u00b2".encode("latin-1"),
    "absurd-less": b"Content-Length: -5",
    "absurd-chunk": b"Transfer-Encoding: chunked\r\n\r\nzz",
    "absurd-place": b"HTTP/1.1 302 Found\r\nLocation: https://[::1\r\n\r\n",
    "absurd-port": b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:x/\r\n\r\n",
    "absurd-status": b"HTTP/1.1 9999999 OK\r\n\r\n",
    "absurd-reason": b"HTTP/1.1 500 " + b"x" * 5000 + b"\r\n\r\n",
    "absurd-range": b"HTTP/1.1 206 OK\r\nContent-Range: bytes x-y/z\r\n\r\n",
}


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NST_OFFLINE", raising=False)
    return tmp_path / "home" / "weights"


def enter(monkeypatch, *sources, name="vgg19"):
    entry = Entry(name, "a test network", "CC BY 4.0", "nobody", "caffe", sources)
    monkeypatch.setitem(CATALOGUE, name, entry)


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_download_is_kept_as_one_safetensors_file(server, monkeypatch, home):
    enter(monkeypatch, server.source("file"))
    calls = []
    network = obtain("vgg19", progress=lambda done, total: calls.append((done, total)))
    assert visible(home) == ["vgg19.safetensors"]
    assert calls[-1] == (len(DATA), len(DATA))
    again = obtain("vgg19")
    assert again.sha256 == network.sha256
    assert len(server.requests) == 1
    expected = random_weights(0, 1 / 16).convolutions["conv1_1"][0]
    np.testing.assert_array_equal(again.convolutions["conv1_1"][0], expected[:, ::-1])  # the file is BGR
    assert (again.scale, again.mean) == (255.0, (123.68, 116.779, 103.939))
    assert again.license == "CC BY 4.0 (nobody)"
    assert hashlib.sha256(DATA).hexdigest() in again.source


def test_a_broken_connection_is_resumed_at_the_byte(server, tmp_path):
    server.break_after = [1000, 2500]
    path, _ = download([server.source("file")], tmp_path)
    assert path.read_bytes() == DATA
    assert server.requests == [("file", None), ("file", "bytes=1000-"), ("file", "bytes=3500-")]


def test_an_interrupted_download_is_resumed_by_the_next_command(server, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    server.break_after = [5000]
    with pytest.raises(KeyboardInterrupt):
        download([server.source("file")], tmp_path, interrupt)
    (part,) = tmp_path.iterdir()
    assert part.read_bytes() == DATA[:5000]
    path, _ = download([server.source("other-mirror")], tmp_path)
    assert path.read_bytes() == DATA
    assert server.requests[-1] == ("other-mirror", "bytes=5000-")


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.break_after = [5000]
    path, _ = download([server.source("no-ranges")], tmp_path)
    assert path.read_bytes() == DATA
    assert server.requests == [("no-ranges", None), ("no-ranges", "bytes=5000-")]


def test_a_damaged_part_is_thrown_away_and_fetched_again(server, tmp_path):
    server.break_after = [5000]
    with pytest.raises(ZeroDivisionError):
        download([server.source("file")], tmp_path, lambda done, total: 1 // 0)
    (part,) = tmp_path.iterdir()
    part.write_bytes(bytes(5000))
    path, _ = download([server.source("file")], tmp_path)
    assert path.read_bytes() == DATA
    assert server.requests[1:] == [("file", "bytes=5000-"), ("file", None)]


def test_mirrors_are_tried_in_turn(server, tmp_path):
    sources = [server.source(kind) for kind in ("missing", "corrupt", "page", "file", "never-asked")]
    path, source = download(sources, tmp_path)
    assert source is sources[3]
    assert path.read_bytes() == DATA
    assert [kind for kind, _ in server.requests] == ["missing", "corrupt", "page", "file"]


def test_nothing_that_fails_the_check_is_used_or_kept(server, monkeypatch, home):
    enter(monkeypatch, server.source("corrupt"), server.source("missing"), server.source("elsewhere"))
    with pytest.raises(WeightsError) as caught:
        obtain("vgg19")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("vgg19", "not the published one (sha256 differs)", "HTTP 404", "only https"):
        assert part in message
    assert visible(home) == []


@pytest.mark.parametrize("url", ["http://example.org/a", "file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_only_https_leaves_this_machine(url, tmp_path):
    with pytest.raises(WeightsError, match="only https is used"):
        download([Source(url, DIGEST)], tmp_path)


def test_a_dead_server_is_a_clear_error(tmp_path):
    with pytest.raises(
        WeightsError, match=r"no mirror gave the file .*[Rr]efused.*; the network in the package"
    ):
        download([Source("http://127.0.0.1:9/file", DIGEST)], tmp_path, timeout=2)


def test_a_server_that_hangs_is_given_up(server, tmp_path):
    server.pause = 1.0
    server.break_after = [0] * 9
    start = time.monotonic()
    with pytest.raises(WeightsError, match="the connection broke"):
        download([server.source("file")], tmp_path, timeout=0.2)
    assert time.monotonic() - start < 0.9


def test_a_size_that_was_not_published_is_taken_from_the_server(server, tmp_path):
    path, _ = download([server.source("file", size=None)], tmp_path)
    assert path.read_bytes() == DATA
    md5 = f"md5:{hashlib.md5(DATA, usedforsecurity=False).hexdigest()}"
    assert download([server.source("file", md5)], tmp_path / "b")[0].read_bytes() == DATA


def test_a_full_disk_is_said_before_and_during(server, monkeypatch, tmp_path, home):
    enter(monkeypatch, server.source("file"))
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
        with pytest.raises(WeightsError, match="MB are needed"):
            obtain("vgg19")
    assert server.requests == []
    real_open = Path.open

    def full(self, mode="r", *arguments, **options):
        if self.suffix == ".part" and mode in ("wb", "r+b"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_open(self, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(WeightsError, match="No space left on device; free some space or set NST_HOME"):
            obtain("vgg19")
    assert visible(home) == []

    def full_at_last(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_at_last)
        with pytest.raises(WeightsError, match="No space left"):
            cache.store(random_weights(0, 1 / 16))
    assert visible(home) == []


def test_a_folder_that_cannot_be_made_is_a_clear_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NST_HOME", str(tmp_path / "file"))
    enter(monkeypatch, Source("https://mirror.invalid/file", DIGEST))
    with pytest.raises(WeightsError, match="set NST_HOME"):
        obtain("vgg19")


PROCESS = """
import sys
from nst.models.store.catalogue import CATALOGUE, Entry, Source
from nst.models.store.resolve import obtain
CATALOGUE["vgg19"] = Entry("vgg19", "", "", "", "caffe", (Source(sys.argv[1], sys.argv[2]),))
print(obtain("vgg19", notify=lambda line: print(line, file=sys.stderr)).sha256)
"""


@pytest.mark.slow
def test_two_processes_at_once_download_once(server, home):
    server.pause = 1.0
    source = server.source("file")
    command = [sys.executable, "-c", PROCESS, source.url, source.digest]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != ""
    assert len(server.requests) == 1
    assert sum("waiting for it" in errors for _, errors in outputs) == 1
    assert visible(home) == ["vgg19.safetensors"]


def test_auto_takes_the_cached_network_else_the_embedded_one_and_never_downloads(server, monkeypatch, home):
    enter(monkeypatch, server.source("file"))
    lines = []
    assert resolve_weights("auto", notify=lines.append).sha256 == resolve_weights("embedded").sha256
    assert not home.exists()
    assert server.requests == []
    fetched = obtain("vgg19")
    assert resolve_weights("auto", notify=lines.append).sha256 == fetched.sha256
    assert lines == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_never_asks(server, monkeypatch, how):
    enter(monkeypatch, server.source("file"))
    if how == "environment":
        monkeypatch.setenv("NST_OFFLINE", "1")
    offline = how == "argument"
    for name in ("vgg19", "vgg19-normalised"):
        with pytest.raises(WeightsError, match=r"vgg19 is not in .* and the network is forbidden"):
            resolve_weights(name, offline=offline)
    assert server.requests == []


def test_a_reader_that_is_missing_is_said_before_downloading(server, monkeypatch):
    monkeypatch.setitem(
        CATALOGUE,
        "vgg19",
        Entry("vgg19", "", "", "", "caffe", (server.source("file"),), needs="no_such_package"),
    )
    with pytest.raises(WeightsError, match="pip install no_such_package"):
        resolve_weights("vgg19")
    assert server.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["trickle", "slow-headers"])
def test_a_mirror_that_sends_byte_by_byte_is_left_for_the_next(kind, server, monkeypatch, tmp_path):
    monkeypatch.setattr("nst.models.store.download._PATIENCE", 1.0)
    began = time.monotonic()
    path, source = download([server.source(kind), server.source("file")], tmp_path, timeout=1.0)
    assert source.url.endswith("/file")
    assert path.read_bytes() == DATA
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_headers_are_a_reason(kind, server, tmp_path):
    with pytest.raises(WeightsError, match="no mirror gave the file") as raised:
        download([server.source(kind)], tmp_path, timeout=5.0)
    assert len(str(raised.value)) < 400
    path, _ = download([server.source(kind, size=None), server.source("file")], tmp_path, timeout=5.0)
    assert path.read_bytes() == DATA
