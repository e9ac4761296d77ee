"""What goes wrong around a run: one line, an exit status, and nothing lost."""

import errno
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from PIL import Image

from nst.cli.recorder import Scratch
from nst.control import progress_bar

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, descriptors and limits of POSIX")


@pytest.fixture
def arguments(pictures, weights_file):
    """The words behind `python -m nst` of a short run into out.png."""
    fixed = ["-o", "out.png", "--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 3]
    return [str(word) for word in ("-m", "nst", "stylize", pictures.content, pictures.style, *fixed)]


def one_line(text):
    assert text.count("\n") == 1, text
    assert "Traceback" not in text
    return text


@pytest.mark.slow
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_standard_streams(python, arguments, closed, tmp_path):
    """The picture is not taken for a stream either: what is printed does not go into it."""

    def close():
        for number in closed:
            os.close(number)

    done = python(*arguments, preexec_fn=close, capture_output=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    Image.open(tmp_path / "out.png").load()
    arguments[3] = "nothing.png"
    assert python(*arguments, preexec_fn=close, capture_output=False).returncode == 2


@pytest.mark.slow
def test_standard_streams_on_a_full_disk(python, arguments, tmp_path):
    with open("/dev/full", "w") as full:
        done = python(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2
        assert "No space left" in one_line(done.stderr)
        assert (tmp_path / "out.png").is_file()
        arguments[3] = "nothing.png"
        assert python(*arguments, capture_output=False, stderr=full).returncode == 2


def test_no_home_and_no_terminal(python, arguments, environment, tmp_path):
    for name in ("HOME", "NST_HOME", "TERM", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    assert python(*arguments, env=environment).returncode == 0
    environment["HOME"] = "/nonexistent"
    done = python("-m", "nst", "weights", "list", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "/nonexistent/.cache/nst/weights" in done.stdout


def test_a_dumb_terminal_gets_no_escapes(arguments, environment, tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**environment, "TERM": "dumb"},
        stderr=theirs,
        stdout=theirs,
    )
    assert process.wait(60) == 0
    os.close(theirs)
    said = os.read(ours, 10000)
    os.close(ours)
    assert b"\x1b" not in said
    assert said.count(b"\n") == 1


@pytest.mark.parametrize("megabytes", [100, 200])
def test_a_limit_of_memory_below_what_the_libraries_need(python, arguments, megabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    done = python(*arguments, preexec_fn=limit)
    assert done.returncode in (0, 2)
    if done.returncode:
        assert one_line(done.stderr).startswith("nst: error: ")


class Disk:
    """A disk that has no room for some files, as is found out when they are to reach it."""

    def __init__(self, monkeypatch, full):
        self._full, self._fsync = full, os.fsync
        monkeypatch.setattr(os, "fsync", self.sync)

    def sync(self, descriptor):
        if self._full(Path(os.readlink(f"/proc/self/fd/{descriptor}"))):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._fsync(descriptor)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc says which file it is")


@needs_proc
def test_a_disk_that_is_full_when_the_picture_is_written(stylize, tmp_path, monkeypatch):
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    (tmp_path / "out.png").write_bytes(b"the older picture")
    Disk(monkeypatch, lambda path: path.parent == tmp_path and b"PNG" in path.read_bytes()[:8])
    done = stylize("--trace", "t.json")
    (rescued,) = elsewhere.iterdir()
    assert done.status == 2
    assert one_line(done.stderr).endswith(f"; the picture is in {rescued}\n")
    assert "cannot write out.png: No space left on device" in done.stderr
    assert Image.open(rescued).size == (32, 24)
    assert (tmp_path / "out.png").read_bytes() == b"the older picture"
    assert len(json.loads((tmp_path / "t.json").read_text())["steps"]) == 4
    assert not list(tmp_path.glob(".nst-*"))


@needs_proc
def test_a_disk_that_is_full_when_the_trace_is_written(stylize, tmp_path, monkeypatch):
    Disk(monkeypatch, lambda path: path.read_bytes()[:1] == b"{")
    done = stylize("--trace", "t.json")
    assert done.status == 2
    assert "cannot write the trace t.json: No space left on device" in one_line(done.stderr)
    Image.open(tmp_path / "out.png").load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png"]


FULL = "No space left on device; free some space"


@pytest.mark.slow
@needs_proc
def test_a_full_disk_names_the_file_and_the_fix(command, pictures, weights_file, tmp_path, monkeypatch):
    small, engine = ["--weights", weights_file], ["--backend", "numpy", "--size", 32, "--steps", 1]
    batch = ["batch", pictures.content, "--styles", pictures.style, *small, *engine, "-o"]
    Disk(monkeypatch, lambda path: not path.name.endswith(".jsonl"))
    done = {
        "x.onnx": command("export-onnx", *small, "--size", "32x24", "-o", "x.onnx"),
        "s.safetensors": command("export-style", pictures.style, *small, "--size", 32, "-o", "s.safetensors"),
        "one/content-style.png": command(*batch, "one"),
    }
    for file, result in done.items():
        assert f"{file}: {FULL}" in result.stderr.splitlines()[-1]
        assert not list(tmp_path.rglob(".nst-*.tmp"))
    assert [result.status for result in done.values()] == [2, 2, 3]
    Disk(monkeypatch, lambda path: True)  # for the manifest too
    assert "nst-batch.jsonl: No space left on device; free some space" in command(*batch, "two").stderr


@needs_proc
def test_a_disk_that_is_full_for_the_frames_of_an_animation(stylize, tmp_path, monkeypatch):
    def save(image, file, *arguments, **options):
        if str(file).endswith(".png"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        kept(image, file, *arguments, **options)

    kept = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", save)
    done = stylize("--animate", "a.gif")
    assert done.status == 2
    assert "a.gif" in one_line(done.stderr)
    assert done.stderr.endswith(f"{FULL}\n")
    Image.open(tmp_path / "out.png").load()


@needs_proc
@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_a_disk_that_is_full_for_the_animation(kind, stylize, tmp_path, monkeypatch):
    """It has room for the trial and not for the film, which is then in the folder of temporary files."""
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    if kind == "gif":
        Disk(monkeypatch, lambda path: path.parent == tmp_path and path.read_bytes()[:3] == b"GIF")
    else:
        av = pytest.importorskip("av")
        kept = av.open

        def opened(file, *arguments, **options):
            if Path(file).parent.resolve() == tmp_path:
                raise av.error.FFmpegError(errno.ENOSPC, os.strerror(errno.ENOSPC), file)
            return kept(file, *arguments, **options)

        monkeypatch.setattr(av, "open", opened)
    done = stylize("--animate", f"a.{kind}")
    (rescued,) = elsewhere.iterdir()
    assert done.status == 2
    assert one_line(done.stderr) == (
        f"nst: error: cannot write a.{kind}: {FULL}; the animation is in {rescued}\n"
    )
    assert rescued.stat().st_size
    Image.open(tmp_path / "out.png").load()
    assert not list(tmp_path.glob(".nst-*"))


@needs_proc
def test_a_checkpoint_that_does_not_fit_is_told_once(stylize, tmp_path, monkeypatch):
    Disk(monkeypatch, lambda path: b"PNG" not in path.read_bytes()[:8])
    done = stylize("--checkpoint", "run.ck", "--checkpoint-every", 0, "--steps", 9)
    assert done.status == 0
    assert one_line(done.stderr) == f"nst: cannot write the checkpoint run.ck: {FULL}; the run goes on\n"


@needs_proc
def test_a_disk_that_is_full_everywhere(stylize, tmp_path, monkeypatch):
    Disk(monkeypatch, lambda path: True)
    done = stylize("--trace", "t.json")
    assert done.status == 2
    assert "out.png" in one_line(done.stderr)
    assert "t.json" in done.stderr
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


@needs_proc
def test_an_experiment_whose_sheet_does_not_fit_keeps_its_runs(
    command, pictures, weights_file, tmp_path, monkeypatch
):
    fixed = ["--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 1, "-o", "r"]
    words = ["experiment", "run", "content-layer", pictures.content, pictures.style, *fixed]
    with monkeypatch.context() as patch:
        Disk(patch, lambda path: path.parent == tmp_path / "r")
        done = command(*words)
    assert done.status == 2
    assert "cannot write r/content-layer.png: No space left on device" in one_line(done.stderr)
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["cells"]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "r" / "cells").iterdir()}
    assert len(kept) == 2 * 3
    assert command(*words).status == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "r" / "cells").iterdir()} == kept
    Image.open(tmp_path / "r" / "content-layer.png").load()


def test_a_file_that_may_not_grow(python, arguments, tmp_path):
    """RLIMIT_FSIZE: the write itself fails, half way."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = python(*arguments, preexec_fn=limit)
    assert done.returncode == 2
    assert "cannot write out.png: File too large" in one_line(done.stderr)
    assert not list(tmp_path.glob("*.png"))
    assert not list(tmp_path.glob(".nst-*"))


def test_a_folder_that_vanishes_during_the_run(stylize, tmp_path, monkeypatch):
    from nst.transfer import StyleTransfer

    folder, elsewhere = tmp_path / "gone", tmp_path / "tmp"
    folder.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    iterate = StyleTransfer.iterate

    def vanishing(self):
        for record in iterate(self):
            if record.step == 2:
                folder.rmdir()
            yield record

    monkeypatch.setattr(StyleTransfer, "iterate", vanishing)
    done = stylize(output="gone/out.png")
    assert done.status == 2
    assert "there is no folder" in one_line(done.stderr)
    (rescued,) = elsewhere.iterdir()
    assert f"the picture is in {rescued}" in done.stderr
    assert Image.open(rescued).size == (32, 24)


def test_a_folder_that_cannot_be_written_to(stylize):
    done = stylize(output="/proc/out.png")
    assert done.status == 2
    assert "cannot write /proc/out.png" in one_line(done.stderr)


SLEEPER = """
import sys, time
from nst.models.store import resolve
def wait(*arguments, **options):
    print("waiting", flush=True)
    time.sleep(60)
resolve.resolve_weights = wait
from nst.cli.main import main
main()
"""


def test_sigterm_before_the_run(arguments, environment, tmp_path):
    command = [sys.executable, "-c", SLEEPER, *arguments[2:]]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "nst: interrupted\n")


def test_lines_now_and_then_where_there_is_no_terminal(capsys, monkeypatch):
    """At most one a minute, with what is left: 40 of 100 after 80 s are 120 s more."""
    clock = iter([0.0, 30.0, 80.0, 100.0, 139.0, 141.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    asked = []
    with progress_bar(False) as show:
        for done in (10, 40, 50, 60, 70):
            show(done, 100, "32x24", lambda: asked.append(1) or "loss 3")
    lines = ["nst: 32x24 40 of 100 loss 3 2 min left", "nst: 32x24 70 of 100 loss 3 60 s left"]
    assert capsys.readouterr().err.splitlines() == lines
    assert len(asked) == 2
    with progress_bar(True) as show:
        show(1, 2)
    assert capsys.readouterr().err == ""


KILLED = """
import os, sys
from pathlib import Path
from nst.cli.recorder import Scratch
scratch = Scratch(Path())
open(os.path.join(scratch.name, "frame.png"), "w").close()
print(scratch.name, flush=True)
sys.stdin.read()
"""


def test_temporary_folders_of_killed_processes_go_and_no_others(environment, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment["TMPDIR"] = str(tmp_path)
    (tmp_path / "nst-of-others").mkdir()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    killed, alive = (subprocess.Popen([sys.executable, "-c", KILLED], **pipes) for _ in range(2))
    folders = [Path(process.stdout.readline().strip()) for process in (killed, alive)]
    killed.kill()
    killed.communicate()
    with Scratch(tmp_path) as mine:
        assert not folders[0].exists()
        assert [path.name for path in folders[1].iterdir()] == ["frame.png"]
        assert Path(mine.name).is_dir()
    assert not Path(mine.name).exists()
    alive.communicate()
    assert alive.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["nst-of-others"]


def test_an_animation_leaves_no_folder_however_the_run_ends(stylize, tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert stylize("--animate", "a.gif", "--save-every", 1).status == 0
    assert not list(folder.iterdir())


def test_nothing_but_the_folder_of_the_results_can_be_written(stylize, tmp_path, monkeypatch):
    """A read-only container without /tmp, in which the program does not stand in that folder either."""
    (tmp_path / "results").mkdir()
    with monkeypatch.context() as patch:  # which pytest itself would miss
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(tempfile, "_candidate_tempdir_list", list)
        done = stylize("--animate", "results/a.gif", output="results/out.png")
    assert (done.status, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.joinpath("results").iterdir()} == {"out.png", "a.gif"}


@pytest.mark.slow
def test_two_processes_at_once_on_one_cache(environment, weights_file, tmp_path):
    command = [
        sys.executable,
        "-m",
        "nst",
        "weights",
        "import",
        str(weights_file),
        "--name",
        "both",
        "--force",
    ]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate() and process.returncode for process in processes] == [0, 0, 0]
    assert [path.name for path in (tmp_path / "home" / "weights").iterdir()] == ["both.safetensors"]
    done = subprocess.run([*command[:4], "verify", "both"], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("both: ok")
