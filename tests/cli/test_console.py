"""The one progress bar: what it shows, when it looks, and when there is none."""

import io
import re
import sys
import threading

import pytest

import nst
from nst import control
from nst.control import progress_bar


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

    assert "2/2" in printed(True, "auto")
    assert "2/2" in printed(True, True, in_a_thread)
    assert printed(True, "auto", in_a_thread) == ""
    assert printed(True, False) == ""
    assert printed(False, "auto") == ""
    monkeypatch.setattr(control, "PACE", 0.0)
    assert re.search("^nst: 32x24 1 of 2 loss [0-9.]+ [0-9]+ s left$", printed(False, True), re.MULTILINE)
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
    assert "3/7" in text
    assert "loss [1]" in text


def test_bytes_are_in_megabytes(shown):
    assert "3.0/80.0 MB" in shown([(3_000_000, 80_000_000, "vgg19")], unit="bytes")


def test_a_unit_is_named_and_an_unknown_total_is_no_mistake(shown):
    text = shown([(2.5, None, "step 5/10")], unit="frames")
    assert "step 5/10" in text
    assert "2/? frames" in text


def test_the_loss_is_looked_at_ten_times_a_second_and_at_the_end(shown, monkeypatch):
    times, looks = [], []
    monkeypatch.setattr(control.time, "monotonic", lambda: times[-1] if times else 0.0)

    def moves():
        for step in range(11):
            times.append(100 + step * 0.03)
            yield step, 10, "", lambda step=step: looks.append(step) or ""

    shown(moves())
    assert looks == [0, 4, 8, 10]
