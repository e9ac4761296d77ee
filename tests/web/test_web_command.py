"""`nst web` at the terminal: where it listens, and what it says when it cannot."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("uvicorn")


@pytest.fixture
def start(environment, weights_file):
    """start(folder, *words): a server, and the lines that it has printed first."""
    started = []

    def run(folder, *words):
        fixed = ["--port", "0", "--folder", str(folder), "--backend", "numpy", "--weights", str(weights_file)]
        process = subprocess.Popen(
            [sys.executable, "-m", "nst", "web", *fixed, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process, [process.stdout.readline() for _ in range(2)]

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_it_serves_until_it_is_told_to_end(tmp_path, start, command):
    """With another token at each start; a second server in the same folder says where the first one is."""
    folder, tokens = tmp_path / "studio", set()
    folder.mkdir(mode=0o700)
    (folder / "token").write_text("t" * 32)  # of before
    for _ in range(2):
        process, lines = start(folder)
        address = lines[0].split()[-1]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
        assert b"nst studio" in urlopen(address, timeout=60).read()
        with pytest.raises(HTTPError, match="403"):
            urlopen(address.rsplit("/", 2)[0], timeout=60)
        assert stat.S_IMODE(os.stat(folder / "address").st_mode) == 0o600
        second = command("web", "--port", urlsplit(address).port, "--folder", folder)
        assert second.status == 2
        assert f"the studio is running already at {address}: open that" in second.stderr
        assert second.stderr.count("\n") == 1
        made = json.load(urlopen(Request(f"{address}sessions", method="POST"), timeout=60))["session"]
        half = f"PUT {urlsplit(address).path}sessions/{made}/photo HTTP/1.1\r\nHost: localhost\r\n"
        with socket.create_connection(("127.0.0.1", urlsplit(address).port)) as upload:
            upload.sendall(f"{half}Content-Length: 1000\r\n\r\nhalf".encode())
            while not list(folder.glob("*/arriving-*")):
                time.sleep(0.05)
            process.terminate()
            _, errors = process.communicate(timeout=60)
        assert errors == "nst: interrupted\n"
        assert not list(folder.glob("*/arriving-*"))
        shutil.rmtree(folder / made)
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "queue"]
        tokens.add(address.split("/")[-2])
    assert len(tokens) == 2
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


@pytest.mark.slow
def test_a_server_that_was_killed_does_not_keep_the_folder(tmp_path, start):
    process, _ = start(tmp_path / "studio")
    process.kill()
    process.wait()
    _, lines = start(tmp_path / "studio")
    assert lines[0].startswith("The studio is at http")


@pytest.mark.parametrize(
    "words",
    [
        ["--host", "nowhere"],
        ["--allow-host", "http://home.example/"],
        ["--allow-host", "*"],
        ["--base-path", "/a b"],
        ["--base-path", "/../x"],
        ["--proxy", "*"],
        ["--proxy", "10.0.0.1/8"],
    ],
)
def test_what_is_no_address_is_refused(command, tmp_path, words):
    done = command("web", "--folder", tmp_path / "studio", *words)
    assert done.status == 2
    assert words[0] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "studio").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backend", "abacus"], "abacus"),
        (["--backend", "numpy", "--weights", "nothing"], "no weights called 'nothing'"),
    ],
)
def test_what_can_never_paint_is_said_at_once(tmp_path, python, words, said):
    done = python("-m", "nst", "web", "--port", "0", "--folder", tmp_path / "studio", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("nst: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken(command, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = command("web", "--port", other.getsockname()[1], "--folder", tmp_path / "studio")
    assert done.status == 2
    assert "give another --port" in done.stderr


def test_a_folder_that_cannot_be_written(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("web", "--port", 0, "--folder", tmp_path / "file" / "studio")
    assert done.status == 2
    assert "--folder" in done.stderr


def test_without_its_packages_it_says_how_to_get_them(command, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("nst.cli.web.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = command("web")
    assert done.status == 2
    assert "pip install 'nst[web]'" in done.stderr
