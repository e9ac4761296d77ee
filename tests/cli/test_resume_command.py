"""`nst resume`: runs that are killed at any moment lose nothing; what is refused, and what goes on anyway."""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from nst.cli.checkpoints import hashes
from nst.description import Sources
from nst.files import check_writable, writing_atomically
from nst.models.random import random_weights
from nst.models.weights import save_weights
from nst.pictures.writing import read_settings
from nst.transfer import StyleTransfer

# `nst`, which is killed so many seconds after its first step, wherever it is then
WRAPPER = """
import os, signal, sys, threading
from nst import transfer
delay = float(sys.argv.pop(1))
iterate = transfer.StyleTransfer.iterate
def doomed(self):
    for number, record in enumerate(iterate(self)):
        if number == 1:
            timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL))
            timer.daemon = True
            timer.start()
        yield record
transfer.StyleTransfer.iterate = doomed
from nst.cli.main import main
main()
"""
KILLS = int(os.environ.get("NST_KILLS", "3"))
WINDOWS = ["--size", 80, "--tile", 48, "--scales", 1, "--content-layers", "conv2_1"]
CASES = {
    "pyramid": ["--scales", "16,24", "--average", 0.5, "--save-every", 8, "--animate", "out.gif"],
    "windows": [*WINDOWS, "--style-layers", "conv1_1,conv2_1", "--optimizer", "adam"],
}

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def arguments(pictures, small_run):
    """What comes after `nst stylize`, but the output."""
    fixed = [*small_run, "--size", 32, "--steps", 8 * KILLS, "--trace", "trace.json"]
    return [str(word) for word in (pictures.content, pictures.style, *fixed)]


def files_of(folder):
    """By name; a trace without its times."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    trace = json.loads(found.pop("trace.json"))
    for step in trace["steps"]:
        step.pop("seconds")
    return {**found, "trace": trace}


@pytest.mark.slow
@posix
@pytest.mark.parametrize("case", CASES)
def test_killed_again_and_again(case, arguments, environment, tmp_path):
    """Whatever the run leaves in its folder is what a run leaves that nobody touched, byte for byte."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = [*arguments, *map(str, CASES[case]), "-o", "out.png"]

    def nst(folder, *words, delay=1e6):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", WRAPPER, str(delay), *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).returncode

    moments = random.Random(f"{case}{KILLS}")
    command = ["stylize", *options, "--checkpoint", "run.nst", "--checkpoint-every", "0"]
    kills = 0
    while kills < KILLS:
        status = nst(killed, *command, delay=moments.uniform(0, 0.15))
        if (killed / "run.nst").exists():
            command = ["resume", "run.nst"]
        if status == 0:  # finished before it was killed
            break
        assert status == -signal.SIGKILL
        kills += 1
    else:
        assert nst(killed, *command) == 0
    assert nst(whole, "stylize", *options) == 0
    assert files_of(killed) == files_of(whole)


@posix
def test_what_a_killed_process_leaves_is_gone_after_the_next_start(python, tmp_path):
    done = python("-c", """
import os, signal
from nst.cli.checkpoints import hashes
from nst.files import writing_atomically
with writing_atomically("picture.png") as file:
    file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
""")  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob(".nst-*.tmp")
    with writing_atomically(tmp_path / "other.png") as file:  # by a process that lives
        check_writable(tmp_path / "picture.png")
        assert not left.exists()
        file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other.png"]


@pytest.fixture
def cut_off(stylize, monkeypatch):
    """cut_off(*options): a run of 3 steps ends after the second, as at a second Ctrl-C; it leaves run.nst."""
    iterate = StyleTransfer.iterate

    def two_steps(self):
        for record in iterate(self):
            yield record
            if record.step == 2:
                raise KeyboardInterrupt

    def run(*options, **more):
        with monkeypatch.context() as patch:
            patch.setattr(StyleTransfer, "iterate", two_steps)
            result = stylize("--checkpoint", "run.nst", "--checkpoint-every", 0, *options, **more)
        assert result.status == 130
        assert os.path.exists("run.nst")

    return run


def test_the_checkpoint_goes_when_the_run_has_finished(stylize, command, cut_off, tmp_path):
    options = ["--checkpoint", "run.nst", "--checkpoint-every", 0]
    assert stylize(*options).status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    whole = (tmp_path / "out.png").read_bytes()
    (tmp_path / "out.png").unlink()
    cut_off()
    result = command("resume", "run.nst")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith("out.png: 32x24, 3 of 3 steps in ")
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    assert (tmp_path / "out.png").read_bytes() == whole


def test_from_another_folder_and_to_another_picture(stylize, command, cut_off, tmp_path, monkeypatch):
    cut_off("--trace", "trace.json")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("resume", "../run.nst", "-o", "mine.png").status == 0
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine.png"]
    steps = json.loads((tmp_path / "trace.json").read_text())["steps"]
    assert [step["step"] for step in steps] == [0, 1, 2, 3]


def test_a_map_of_colors_is_still_one(command, cut_off, tmp_path):
    """Path and color of a mask become a list in the checkpoint."""
    Image.new("RGB", (32, 24), "red").save(tmp_path / "map.png")
    cut_off("--mask", "style1=map.png:red")
    assert command("resume", "run.nst").status == 0
    assert read_settings(tmp_path / "out.png")["settings"]["masks"] == {"style1": "map.png:red"}
    cut_off("--mask", "style1=map.png:red")
    Image.new("RGB", (32, 24), "blue").save(tmp_path / "map.png")
    assert "map.png has changed since the run began" in command("resume", "run.nst").stderr


def test_an_input_that_has_changed(command, cut_off, pictures, tmp_path):
    content = tmp_path / "content.png"
    shutil.copy(pictures.content, content)
    cut_off(content=content)
    shutil.copy(pictures.other, content)
    result = command("resume", "run.nst")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert f"{content} has changed since the run began" in result.stderr
    assert command("resume", "run.nst", "--anyway").status == 0
    cut_off(content=content)
    content.unlink()  # the picture is in the checkpoint
    assert command("resume", "run.nst").status == 0


def test_what_is_no_file_is_not_read(tmp_path):
    """A device gives zeros without an end."""
    (tmp_path / "a").write_bytes(b"a")
    named = Sources("/dev/zero", [str(tmp_path / "a"), str(tmp_path)], init="noise")
    assert hashes(named) == {str(tmp_path / "a"): hashlib.sha256(b"a").hexdigest()}


def test_another_network(command, cut_off, weights_file, tmp_path):
    own = tmp_path / "own.safetensors"
    shutil.copy(weights_file, own)
    cut_off("--weights", own)
    save_weights(random_weights(1, 1 / 16), own)
    result = command("resume", "run.nst")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "the network is random-1 here, was random-0" in result.stderr
    assert command("resume", "run.nst", "--anyway").status == 0


def test_another_version(command, cut_off, monkeypatch):
    cut_off()
    monkeypatch.setattr("PIL.__version__", "1.2.3")
    result = command("resume", "run.nst")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "pillow is 1.2.3 here, was " in result.stderr
    assert "--anyway" in result.stderr
    assert command("resume", "run.nst", "--anyway").status == 0


def test_no_checkpoint(command, cut_off, pictures, tmp_path):
    assert "there is no checkpoint none.nst" in command("resume", "none.nst").stderr
    assert "content.png is a picture, and there is no " in command("resume", pictures.content).stderr
    cut_off()
    data = (tmp_path / "run.nst").read_bytes()
    for end in (0, 5, 100, len(data) - 1):
        (tmp_path / "half.nst").write_bytes(data[:end])
        result = command("resume", "half.nst")
        assert (result.status, result.stderr.count("\n")) == (2, 1)
        assert "half.nst is not a whole checkpoint of nst" in result.stderr


def test_one_that_a_program_has_saved(command, pictures, weights_file, tmp_path):
    transfer = StyleTransfer(
        pictures.content, pictures.style, backend="numpy", weights=weights_file, steps=2, size="content"
    )
    records = transfer.iterate()
    next(records)
    transfer.save("saved.nst")
    *_, last = records
    assert "give -o" in command("resume", "saved.nst").stderr
    assert command("resume", "saved.nst", "-o", "out.png").status == 0
    assert Image.open("out.png").tobytes() == last.image().tobytes()


def test_a_disk_that_is_full_costs_a_line_and_not_the_run(stylize, monkeypatch, tmp_path):
    def full(path, arrays, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nst.checkpoint.write_tensors", full)
    result = stylize("--checkpoint", "run.nst", "--checkpoint-every", 0, "--steps", 1)
    assert result.status == 0
    lines = result.stderr.splitlines()
    assert set(lines) == {
        "nst: cannot write the checkpoint run.nst: No space left on device; free some space; the run goes on"
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_where_it_cannot_be_written(stylize, tmp_path):
    assert "cannot write the checkpoint no/run.nst" in stylize("--checkpoint", "no/run.nst").stderr
    assert "is another output too" in stylize("--checkpoint", "out.png").stderr
    assert list(tmp_path.iterdir()) == []


def test_long_runs_are_saved_unasked(stylize, command, monkeypatch, tmp_path):
    """One that has taken five minutes, by a clock of ours: 100 seconds a step."""
    clock = iter(range(0, 10**6, 100))
    ours = SimpleNamespace(monotonic=lambda: float(next(clock)))  # the progress bar has a clock as well
    monkeypatch.setattr("nst.cli.checkpoints.time", ours)
    seen = []
    iterate = StyleTransfer.iterate

    def watched(self):
        for record in iterate(self):
            yield record
            seen.append((tmp_path / "out.png.checkpoint").exists())

    monkeypatch.setattr(StyleTransfer, "iterate", watched)
    assert stylize("--steps", 6).status == 0
    assert seen == [False, False, True, True, True, True, True]
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    assert stylize("--steps", 6, "--checkpoint", "off").status == 0
    assert not any(seen[7:])
