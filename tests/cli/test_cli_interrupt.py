"""Ctrl-C: once for an end with a picture, twice for an end at once."""

import json
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from nst.checkpoint import read_checkpoint
from nst.pictures.writing import read_settings

# `nst`, which tells when a step has been reached, and takes `pause` seconds, or a library's call, for the next one
WRAPPER = """
import hashlib, sys, time
from nst import transfer
told, pause = int(sys.argv.pop(1)), sys.argv.pop(1)
iterate = transfer.StyleTransfer.iterate
def telling(self):
    for record in iterate(self):
        if record.step == told:
            print("reached", flush=True)
            if pause == "library":
                hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
            time.sleep(float(pause))
        yield record
transfer.StyleTransfer.iterate = telling
from nst.cli.main import main
main()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def start(tmp_path, environment, pictures, weights_file):
    """start(step, pause, *options): a process that has reached `step` of 1000000."""
    processes = []

    def run(step, pause, *options):
        fixed = ["--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 1000000]
        fixed += ["--optimizer", "adam", "--trace", "trace.json"]
        arguments = ["stylize", pictures.content, pictures.style, "-o", "out.png", *fixed, *options]
        command = [sys.executable, "-c", WRAPPER, step, pause, *arguments]
        process = subprocess.Popen(
            [str(word) for word in command], cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout.readline() == "reached\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "quiet"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)]
)
def test_once_saves_the_picture_so_far(number, quiet, start, tmp_path):
    process = start(3, 0, *["--quiet"] * quiet)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    image = Image.open(tmp_path / "out.png")
    image.load()
    assert image.size == (32, 24)
    steps = json.loads((tmp_path / "trace.json").read_text())["steps"]
    last = steps[-1]["step"]
    assert 3 <= last < 1000000
    assert [step["step"] for step in steps] == list(range(last + 1))
    assert read_settings(tmp_path / "out.png")["step"] == last
    assert output == ""
    if quiet:
        assert errors == ""
    else:
        assert errors.count("\n") == 1
        assert errors.startswith(f"out.png: 32x24, {last} of 1000000 steps")
        assert errors.endswith("; interrupted\n")


def test_at_a_coarse_size_the_picture_so_far_is_as_large_as_asked(start, tmp_path):
    process = start(3, 0, "--scales", "24,32")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.startswith("out.png: 32x24, ")
    assert Image.open(tmp_path / "out.png").size == (32, 24)


@pytest.mark.slow
def test_once_before_the_first_step_saves_the_start_picture(start, tmp_path, pictures):
    process = start(0, 0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (130, 1)
    assert Image.open(tmp_path / "out.png").tobytes() == Image.open(pictures.content).tobytes()


@pytest.mark.slow
def test_twice_stops_at_once(start, tmp_path):
    process = start(2, 100)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None  # it waits for the end of the step
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert (process.returncode, output, errors.strip()) == (130, "", "nst: interrupted")
    assert not list(tmp_path.glob("*.png"))
    assert not list(tmp_path.glob(".nst-*"))


def test_once_saves_the_run_too_where_that_was_asked_for(start, tmp_path):
    process = start(3, 0, "--checkpoint", "run.nst")  # a minute would have to pass for one without Ctrl-C
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("; interrupted; nst resume run.nst goes on\n")
    step = read_settings(tmp_path / "out.png")["step"]
    assert len(json.loads(read_checkpoint(tmp_path / "run.nst").file("trace"))) == step + 1


@pytest.mark.slow
def test_two_end_it_though_a_library_does_not_return(start):
    """Python hears of a signal between two of its own instructions alone; this is one that takes hours."""
    process = start(1, "library")
    time.sleep(1)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # else they are one
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (130, "nst: interrupted")
