"""The one progress bar: what it shows, when it looks, and when there is none."""

import io
import json
import re
import shutil
import subprocess
import sys
import threading

import pytest
import tqdm

import nst
from nst import control
from nst.control import duration_text, progress_bar


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def shown(monkeypatch):
    """What a bar draws, without colours; the moves are (done, total, before, after) of `show`."""

    def run(moves, terminal=True, **options):
        screen = Screen(terminal)
        with monkeypatch.context() as patch:  # here and not before: pytest puts a stderr of its own in place
            patch.setenv("TERM", "xterm")
            patch.setenv("COLUMNS", "100")
            patch.setattr(sys, "stderr", screen)
            with progress_bar(**{"quiet": False, **options}) as show:
                for move in moves:
                    show(*move)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())

    return run


def test_a_run_in_the_library_has_a_bar_where_somebody_looks(monkeypatch, pictures, small_network):
    """In a terminal and in the main thread, unless told otherwise; lines in a log where it is asked for."""
    transfer = nst.StyleTransfer(
        pictures.content, pictures.style, backend="numpy", weights=small_network, size=32, steps=2
    )

    def printed(terminal, progress, run=lambda paint: paint()):
        screen = Screen(terminal)
        with monkeypatch.context() as patch:
            patch.setenv("TERM", "xterm")
            patch.setattr(sys, "stderr", screen)
            run(lambda: transfer.paint(progress=progress))
        return screen.getvalue()

    def in_a_thread(paint):
        thread = threading.Thread(target=paint)
        thread.start()
        thread.join()

    assert "2 of 2" in printed(True, "auto")
    assert "2 of 2" in printed(True, True, in_a_thread)
    assert printed(True, "auto", in_a_thread) == ""
    assert printed(True, False) == ""
    assert printed(False, "auto") == ""
    monkeypatch.setattr(control, "PACE", 0.0)
    assert re.search("^nst: 32x24 1 of 2 loss [0-9.]+ [0-9.]+ s left$", printed(False, True), re.MULTILINE)
    assert printed(False, "auto") == ""


def test_without_rich_there_are_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)  # as if it were not installed
    monkeypatch.setattr(control, "find_spec", lambda name: None)
    monkeypatch.setattr(control, "PACE", 0.0)
    screen = Screen(True)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress_bar(False) as show:
        show(1, 2, "32x24")
    assert screen.getvalue().startswith("nst: 32x24 1 of 2")


@pytest.mark.parametrize("where", [{"quiet": True}, {"terminal": False}])
def test_nothing_is_shown_where_there_is_no_terminal_or_when_quiet(shown, where):
    looks = []
    assert shown([(1, 2, "text", lambda: looks.append(1))], **where) == ""
    assert looks == []  # at the loss, which would wait for the device


def test_texts_are_as_given_and_not_markup(shown):
    text = shown([(3, 7, "[red]512x384", lambda: "loss [1]")])
    assert "[red]512x384" in text
    assert "3 of 7" in text
    assert "loss [1]" in text


def test_what_is_shown_is_drawn_at_once(shown):
    """And not at the next tick of a tenth of a second, by which a short or starved run may have gone on."""
    text = shown([(0, None, "setting up"), (2, 2, "32x24")])
    assert text.index("setting up") < text.index("32x24")


def test_bytes_are_in_megabytes(shown):
    assert "3.0/80.0 MB" in shown([(3_000_000, 80_000_000, "vgg19")], unit="bytes")


def test_a_unit_is_named_and_an_unknown_total_is_no_mistake(shown):
    text = shown([(2.5, None, "step 5 of 10")], unit="frames")
    assert "step 5 of 10" in text
    assert re.search(r"\b2 frames", text)


DURATIONS = {
    0: "0.0 s", 2.54: "2.5 s", 9.94: "9.9 s", 9.96: "10 s", 40: "40 s", 119.4: "119 s", 119.6: "2 min", 362: "6 min",
    7169: "119 min", 7171: "2 h 0 min", 23_205: "6 h 27 min", 360_000: "100 h 0 min",
}  # fmt: skip


def test_durations():
    assert {seconds: duration_text(seconds) for seconds in DURATIONS} == DURATIONS


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_studio_says_durations_in_the_same_words(root):
    script = f"import {{ duration }} from {json.dumps((root / 'cli/web/static/dom.js').as_uri())};"
    script += f"console.log(JSON.stringify({json.dumps(list(DURATIONS))}.map(duration)))"
    command = ["node", "--input-type=module", "-e", script]
    assert json.loads(subprocess.check_output(command, text=True)) == list(DURATIONS.values())


@pytest.mark.parametrize(("terminal", "kernel"), [(True, False), (False, False), (False, True)])
def test_counts_are_whole_and_what_is_left_is_for_people(terminal, kernel, shown, monkeypatch):
    """In a terminal, in a log and in a notebook: 3 of 62 pictures, and the fourth under way, in 1250 s."""
    now = [1000.0]
    monkeypatch.setattr(control.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(control, "_in_notebook", lambda: kernel)

    def moves():
        now[0] += 1250.0
        yield 3.1, 62, "a.png"

    if kernel:
        monkeypatch.setattr("tqdm.auto.tqdm", tqdm.tqdm)  # which writes to stderr
    text = shown(moves(), terminal=terminal)
    assert "3 of 62" in text
    if not terminal:  # rich has a clock of its own
        assert "6 h 36 min left" in text  # 1250 (62 - 3.1) / 3.1 s


@pytest.mark.parametrize(("terminal", "kernel"), [(True, False), (False, False), (False, True)])
def test_what_is_left_is_what_the_run_says_if_it_does(terminal, kernel, shown, monkeypatch):
    """Half of the steps are done, and the others are of a larger size."""
    monkeypatch.setattr(control, "_in_notebook", lambda: kernel)
    monkeypatch.setattr(control, "PACE", 0.0)
    if kernel:
        monkeypatch.setattr("tqdm.auto.tqdm", tqdm.tqdm)
    assert "6 h 27 min left" in shown([(5, 10, "512x384", None, 23_205.0)], terminal=terminal)
    assert "left" not in shown([(5, 10, "512x384", None, 0.0)], terminal=terminal)


def test_the_loss_is_looked_at_ten_times_a_second_and_at_the_end(shown, monkeypatch):
    times, looks = [], []
    monkeypatch.setattr(control.time, "monotonic", lambda: times[-1] if times else 0.0)

    def moves():
        for step in range(11):
            times.append(100 + step * 0.03)
            yield step, 10, "", lambda step=step: looks.append(step) or ""

    shown(moves())
    assert looks == [0, 4, 8, 10]
