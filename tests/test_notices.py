"""What a user must know is logged as a warning of the logger "nst", and printed once by the command line."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.planning import plan


@pytest.fixture
def options(small_network):
    return {"backend": "numpy", "weights": small_network, "size": 32, "steps": 1, "scales": 1}


@pytest.fixture
def warned(caplog):
    """warned(): the lines so far."""
    caplog.set_level(logging.WARNING, "nst")
    return lambda: [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


def test_nothing_is_said_without_need(pictures, options, warned):
    nst.stylize(pictures.content, pictures.style, **options)
    assert warned() == []


def test_weights_that_are_carried_over_once_a_run(pictures, options, warned):
    recipe = nst.preset("neural-style", **options)
    transfer = nst.StyleTransfer(pictures.content, pictures.style, **recipe)
    line = "the weights of the losses suit a caffe VGG19: carried over to random-0"
    assert transfer.notices == (line,)
    assert warned() == []
    transfer.run()
    assert warned() == [("nst", "WARNING", line)]


def test_an_animated_file(pictures, options, tmp_path, warned):
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "lime")]
    path = tmp_path / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    nst.stylize(path, pictures.style, **options)
    ((*_, line),) = warned()
    assert line == f"{path} is animated: its first frame is painted; nst video paints all of them"


def test_a_run_that_may_not_fit(pictures, options, warned, monkeypatch):
    monkeypatch.setattr(plan, "free_memory", lambda device: 100_000)
    nst.stylize(pictures.content, pictures.style, **options)
    ((*_, line),) = warned()
    assert line.startswith("32x24 pixels need about 0.1 GB and 0.0 GB are free: this may run out of memory")


def test_a_loss_that_stops_being_finite(pictures, options, warned):
    class Failing(NumpyBackend):
        evaluations = 0

        def compile(self, function, like, constants):
            compiled = super().compile(function, like, constants)

            def evaluate(x, constants):
                self.evaluations += 1
                found = compiled(x, constants)
                return found if self.evaluations < 3 else replace(found, total=np.float64("nan"))

            return evaluate

    given = options | {"backend": Failing(), "steps": 5, "optimizer": "adam"}
    result = nst.StyleTransfer(pictures.content, pictures.style, **given).paint()
    assert (result.stopped, result.steps, result.size) == ("non-finite", 1, (32, 24))
    ((*_, line),) = warned()
    assert line.startswith("stopped after 1 steps at a loss that is not finite")


def test_the_command_line_says_it_once_and_not_when_quiet(stylize):
    told = "nst: the weights of the losses suit a caffe VGG19: carried over to random-0\n"
    first = stylize("--preset", "neural-style", "--size", 32, "--steps", 1)
    assert (first.status, first.stderr) == (0, told)
    assert stylize("--preset", "neural-style", "--size", 32, "--steps", 1).stderr == told
    assert stylize("--preset", "neural-style", "--size", 32, "--steps", 1, "--quiet").stderr == ""
    assert logging.getLogger("nst").handlers == []


def test_a_line_of_many_runs_is_printed_once(capfd):
    from nst.cli.console import warnings_as_notes

    with warnings_as_notes():
        for line in ("one", "two", "one"):
            logging.getLogger("nst").warning(line)
    assert capfd.readouterr().err == "nst: one\nnst: two\n"
