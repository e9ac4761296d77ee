"""`nst web` at the terminal: where it listens, and what it says when it cannot."""

import os
import re
import socket
import stat
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

pytest.importorskip("uvicorn")


def test_it_serves_until_it_is_told_to_end(tmp_path, environment, weights_file):
    folder = tmp_path / "studio"
    words = ["--port", "0", "--folder", str(folder), "--backend", "numpy", "--weights", str(weights_file)]
    for _ in range(2):  # the address stays the same but for the port, so that a page finds its server again
        process = subprocess.Popen(
            [sys.executable, "-m", "nst", "web", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )
        address = process.stdout.readline().split()[-1]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
        assert b"nst studio" in urlopen(address, timeout=60).read()
        with pytest.raises(HTTPError, match="403"):
            urlopen(address.rsplit("/", 2)[0], timeout=60)
        process.terminate()
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert address.split("/")[-2] == (folder / "token").read_text()
    assert stat.S_IMODE(os.stat(folder / "token").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


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
