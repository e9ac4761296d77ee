"""`nst stylize`: the picture, its metadata, the trace, the progress bar, and runs that go wrong half-way."""

import errno
import json
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from nst.backends.numpy.backend import NumpyBackend
from nst.cli.job import Job
from nst.cli.running import run_transfer
from nst.description import Sources
from nst.errors import NSTError
from nst.models.weights import load_weights
from nst.pictures.picture import to_uint8
from nst.pictures.writing import read_settings
from nst.protocol import Evaluation
from nst.transfer import StyleTransfer

SETTINGS = [
    *(
        "content_layers",
        "style_layers",
        "content_weight",
        "style_weight",
        "balance",
        "style_strength",
        "content_swap",
        "means",
    ),
    *(
        "tuned_for",
        "style_loss",
        "smoothing",
        "tv_weight",
        "tv_power",
        "style_weights",
        "style_scale",
        "pooling",
    ),
    *(
        "optimizer",
        "rate",
        "history",
        "metric",
        "steps",
        "scales",
        "size",
        "max_pixels",
        "init",
        "init_noise",
        "octave_noise",
        "seed",
        "padding",
        "feather",
    ),
    *("color", "color_strength", "color_when", "average", "tile", "precision"),
    *("content", "styles", "masks", "backend", "device", "dtype"),
]


def test_summary_and_picture(stylize):
    result = stylize()
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith("out.png: 32x24, 3 of 3 steps in ")
    assert result.stdout.count("\n") == 1
    image = Image.open("out.png")
    assert (image.size, image.mode) == ((32, 24), "RGB")
    assert image.info["icc_profile"]


def test_a_result_of_the_contents_own_size(stylize, tmp_path):
    wide = np.zeros((20, 41, 3), np.uint8)
    Image.fromarray(wide).save("wide.png")
    assert stylize("--size", "content", "--steps", 0, content="wide.png").status == 0
    assert Image.open("out.png").size == (41, 20)
    refused = stylize("--size", "own")
    assert refused.status == 2
    assert "'own' is not content, or an integer from 1 to 65536" in refused.stderr


def test_quiet_prints_nothing(stylize):
    result = stylize("--quiet")
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    assert Image.open("out.png").size == (32, 24)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "tif", "TIFF"])
def test_every_format_carries_the_settings(suffix, stylize, pictures):
    output = f"out.{suffix}"
    options = ["--init", "noise", "--seed", 7, "--style-scale", 0.9, "--tv-weight", 0.5]
    options += ["--style-layers", "conv1_1=2,conv2_1", "--style-weights", "3,1"]
    assert stylize(*options, style=[pictures.style, pictures.other], output=output).status == 0
    found = read_settings(output)
    assert found["step"] == 3
    assert list(found["settings"]) == SETTINGS
    expected = {
        "style_layers": {"conv1_1": 2.0, "conv2_1": 0.5}, "content_layers": {"conv4_2": 1.0}, "seed": 7,
        "init": "noise", "style_scale": 0.9, "tv_weight": 0.5, "style_weights": [3.0, 1.0], "steps": 3, "size": 32,
        "content": "content.png", "styles": ["style.png", "other.png"],
        "backend": "numpy", "device": "cpu", "dtype": "float64", "optimizer": "lbfgs", "pooling": "avg",
    }  # fmt: skip
    assert {key: found["settings"][key] for key in expected} == expected


def test_alpha_is_kept_where_the_format_has_it(stylize, pictures):
    before = np.asarray(Image.open(pictures.rgba))[..., 3]
    for output in ("out.png", "out.webp", "out.tif"):
        assert stylize(content=pictures.rgba, output=output).status == 0
        assert np.array_equal(np.asarray(Image.open(output))[..., 3], before)
    assert stylize(content=pictures.rgba, output="out.jpg").status == 0
    assert Image.open("out.jpg").mode == "RGB"


def test_an_older_file_is_replaced_and_nothing_left_beside_it(stylize, tmp_path):
    (tmp_path / "out.png").write_bytes(b"old")
    (tmp_path / "trace.json").write_bytes(b"old")
    assert stylize("--trace", "trace.json").status == 0
    assert Image.open("out.png").size == (32, 24)
    assert json.loads((tmp_path / "trace.json").read_text())["steps"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "trace.json"]


def test_file_names_that_are_not_text(stylize, tmp_path, pictures):
    try:
        name = os.fsdecode(b"caf\xe9.png")
        (tmp_path / name).write_bytes(pictures.content.read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 names only")
    for output in ("out.png", "out.jpg"):
        assert stylize("--trace", "trace.json", content=name, output=output).status == 0
        assert read_settings(output)["settings"]["content"] == "caf\ufffd.png"


def test_trace_has_exactly_what_is_promised(stylize, tmp_path, weights_file, pictures):
    options = ["--tv-weight", 0.25, "--init", pictures.other, "--trace", "trace.json"]
    assert stylize(*options, style=[pictures.style, pictures.other]).status == 0
    trace = json.loads((tmp_path / "trace.json").read_text(), parse_constant=pytest.fail)
    assert list(trace) == ["settings", "versions", "weights", "step", "command", "steps"]
    assert list(trace["settings"]) == SETTINGS
    assert trace["settings"]["init"] == str(pictures.other)
    assert {"nst", "python", "numpy"} <= set(trace["versions"])
    sha256 = load_weights(weights_file).sha256
    assert trace["weights"] == {"name": "random-0", "sha256": sha256, "from": str(weights_file)}
    assert len(trace["weights"]["sha256"]) == 64
    assert [step["step"] for step in trace["steps"]] == [0, 1, 2, 3]
    assert (
        trace["settings"]["content_weight"] is None
    )  # open, and so it stays when these settings are used again
    for step in trace["steps"]:
        assert list(step) == ["step", "size", "terms", "weights", "total", "seconds"]
        assert step["size"] == [32, 24]
        assert list(step["terms"]) == ["content", "style", "tv"]
        assert step["weights"]["style"] == trace["settings"]["balance"]
        assert step["weights"]["tv"] == 0.25
        weighted = sum(step["weights"][name] * value for name, value in step["terms"].items())
        assert step["total"] == pytest.approx(weighted, rel=1e-9)
    totals, seconds = ([step[key] for step in trace["steps"]] for key in ("total", "seconds"))
    assert totals == sorted(totals, reverse=True)
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0


def first_layer(network, pixels):
    """conv1_1 after the ReLU, (N, H, W), of (H, W, 3) in [0, 1]; written out, without nst."""
    weight, bias = (array.astype(float) for array in network.convolutions["conv1_1"])
    x = (pixels - np.array(network.mean)) / np.array(network.std)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    height, width = x.shape[:2]
    windows = [[padded[i : i + height, j : j + width] for j in range(3)] for i in range(3)]
    maps = np.einsum("ijhwc,ncij->nhw", np.array(windows), weight) + bias[:, None, None]
    return np.maximum(maps, 0)


def gram(maps):
    flat = maps.reshape(len(maps), -1)
    return flat @ flat.T


def test_step_0_is_the_start_picture_with_the_losses_of_the_paper(stylize, tmp_path, small_network, pictures):
    style = Image.open(pictures.other).resize((32, 24), Image.Resampling.NEAREST)
    style.save(tmp_path / "style.png")
    layers = [
        "--content-layers",
        "conv1_1",
        "--style-layers",
        "conv1_1",
        "--style-weight",
        1,
        "--padding",
        "zero",
    ]
    result = stylize(*layers, "--init", "noise", "--seed", 5, "--trace", "t.json", style="style.png")
    assert result.status == 0
    start = np.random.default_rng(5).random((1, 3, 24, 32), np.float32)[0].transpose(1, 2, 0)
    p, a = (np.asarray(Image.open(path)) / 255 for path in (pictures.content, "style.png"))
    F, P, A = (first_layer(small_network, pixels) for pixels in (start, p, a))
    positions, channels = 24 * 32, len(F)
    step = json.loads((tmp_path / "t.json").read_text())["steps"][0]
    assert step["terms"]["content"] == pytest.approx(0.5 * ((F - P) ** 2).sum(), rel=1e-6)
    expected = ((gram(F) - gram(A)) ** 2).sum() / (4 * channels**2 * positions**2)
    assert step["terms"]["style"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("init", ["content", "style", "noise", "path"])
def test_every_start_without_a_step(init, stylize, pictures, tmp_path):
    """With 0 steps the start picture itself comes out."""
    value = pictures.other if init == "path" else init
    assert stylize("--init", value, "--steps", 0, "--seed", 3).status == 0
    result = np.asarray(Image.open("out.png"), float)
    if init == "content":
        assert np.array_equal(result, np.asarray(Image.open(pictures.content)))
    elif init == "noise":
        noise = np.random.default_rng(3).random((1, 3, 24, 32), np.float32)[0].transpose(1, 2, 0)
        assert np.array_equal(result, to_uint8(noise))
    else:  # cut to the middle 28x21 or 40x30 part and brought to 32x24
        image = Image.open(pictures.style if init == "style" else pictures.other)
        box = (0, 7.5, 28, 28.5) if init == "style" else None
        if init == "style":  # it has been scaled to a longest side of 32 before that
            image, box = image.resize((25, 32), Image.Resampling.BICUBIC), (0, 6.625, 25, 25.375)
        assert np.abs(result - np.asarray(image.resize((32, 24), Image.Resampling.LANCZOS, box))).mean() < 6


@pytest.mark.slow
def test_options_change_the_result_and_the_seed_repeats_it(stylize, pictures):
    styles = [pictures.style, pictures.other]
    variants = [
        [], ["--pooling", "max"], ["--optimizer", "adam"], ["--tv-weight", 10], ["--style-scale", 0.8],
        ["--style-weights", "1,3"], ["--style-weights", "1,0"], ["--style-layers", "conv1_1,conv5_1=3"],
        ["--content-layers", "conv2_2"], ["--content-weight", 0], ["--init", "noise"],
        ["--init", "noise", "--seed", 1], ["--size", 30],
    ]  # fmt: skip
    seen = {}
    for options in variants:
        assert stylize(*options, style=styles).status == 0
        seen[" ".join(map(str, options))] = Image.open("out.png").tobytes()
    assert len(set(seen.values())) == len(variants)
    stylize("--init", "noise", "--seed", 1, style=styles)
    assert Image.open("out.png").tobytes() == seen["--init noise --seed 1"]
    stylize(style=[pictures.style])
    assert Image.open("out.png").tobytes() == seen["--style-weights 1,0"]


def test_no_progress_bar_without_a_terminal(python, pictures, weights_file, environment):
    fixed = ["--weights", weights_file, "--backend", "numpy", "--size", "32", "--steps", "3"]
    arguments = ["-m", "nst", "stylize", pictures.content, pictures.style, "-o", "out.png", *fixed]
    for extra in ({}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}):
        done = python(*arguments, env=environment | extra)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("out.png: 32x24, 3 of 3 steps")


def test_progress_bar_on_a_terminal(tmp_path, pictures, weights_file, environment):
    screen, terminal = pty.openpty()
    fixed = ["--weights", weights_file, "--backend", "numpy", "--size", "32", "--steps", "40"]
    command = ["-m", "nst", "stylize", pictures.content, pictures.style, "-o", "out.png", *fixed]
    environment |= {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            data = os.read(screen, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not data:
            break
        shown += data
    output, _ = process.communicate()
    assert process.returncode == 0
    text = shown.decode()
    assert "32x24" in text
    assert "40 of 40" in text
    assert text.startswith(f"reading {pictures.content}")
    assert text.index("setting up") < text.index("32x24")
    assert re.search(r"loss \d", text)
    assert output.startswith(b"out.png: 32x24, 40 of 40")


OVERFLOWS = [("numpy", "1e308"), ("torch", "1e38")]


@pytest.mark.parametrize(("backend", "weight"), OVERFLOWS)
def test_gradient_that_overflows_saves_the_start_picture(backend, weight, stylize, need, pictures):
    need(backend)
    result = stylize("--backend", backend, "--device", "cpu", "--style-weight", weight, "--trace", "t.json")
    assert result.status == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "0 of 3 steps" in result.stderr
    assert "stopped at a loss that is not finite" in result.stderr
    assert np.array_equal(Image.open("out.png"), Image.open(pictures.content))


def test_overflow_brings_no_warnings_of_numpy(python, pictures, weights_file):
    """In a process of its own: pytest keeps warnings away from stderr."""
    fixed = ["-o", "out.png", "--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 3]
    arguments = [pictures.content, pictures.style, *fixed, "--style-weight", "1e308"]
    done = python("-m", "nst", "stylize", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "stopped at a loss that is not finite" in done.stderr


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_weights_that_overflow(backend, stylize, need, tmp_path, small_network):
    """Activations beyond fp32: an error, and no picture."""
    from dataclasses import replace

    from nst.models.weights import save_weights

    need(backend)
    huge = {name: (weight * 1e12, bias) for name, (weight, bias) in small_network.convolutions.items()}
    save_weights(replace(small_network, convolutions=huge), tmp_path / "huge.safetensors")
    result = stylize("--backend", backend, "--device", "cpu", "--weights", "huge.safetensors")
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "not finite: check the weights file" in result.stderr
    assert not (tmp_path / "out.png").exists()


class Failing(NumpyBackend):
    """Works for a number of evaluations; then each one is handed to `fail`."""

    def __init__(self, good, fail):
        super().__init__()
        self.good, self.fail = good, fail

    def compile(self, function, like, constants):
        objective = super().compile(function, like, constants)

        def evaluate(x, constants):
            self.good -= 1
            evaluation = objective(x, constants)
            return evaluation if self.good >= 0 else self.fail(evaluation)

        return evaluate


def not_a_number(evaluation):
    return Evaluation(evaluation.total * np.nan, evaluation.terms, evaluation.gradient * np.nan)


def no_memory(evaluation):
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 10 bytes")


def fault(evaluation):
    raise RuntimeError("a fault of ours")


@pytest.fixture
def failing_run(pictures, small_network, tmp_path, monkeypatch):
    """failing_run(fail): the outcome of 10 steps of Adam, of which 4 succeed; the file names are fixed."""
    monkeypatch.chdir(tmp_path)

    def run(fail, good=5):
        backend = Failing(good, fail)
        settings = {"steps": 10, "optimizer": "adam", "size": 32, "octave_noise": 0}
        transfer = StyleTransfer(
            pictures.content, pictures.style, backend=backend, weights=small_network, **settings
        )
        return run_transfer(transfer, Job(Sources("p.png", ["a.png"]), "out.png", "t.json"), quiet=True)

    return run


@pytest.fixture
def four_steps(pictures, small_network):
    """The picture after 4 good steps, 0 ... 255."""
    settings = {"steps": 4, "optimizer": "adam", "size": 32, "backend": "numpy", "octave_noise": 0}
    return np.asarray(
        StyleTransfer(pictures.content, pictures.style, weights=small_network, **settings).run()
    )


def test_loss_that_stops_being_finite_saves_the_last_good_step(failing_run, four_steps):
    outcome = failing_run(not_a_number)
    assert (outcome.status, outcome.step, outcome.stopped) == (1, 4, "non-finite")
    assert np.array_equal(Image.open("out.png"), four_steps)
    with open("t.json") as file:
        steps = json.load(file)["steps"]
    assert [step["step"] for step in steps] == [0, 1, 2, 3, 4, 4]
    assert np.isfinite([step["total"] for step in steps]).all()


def test_loss_that_is_not_finite_for_a_moment_is_passed_over(failing_run):
    """One bad evaluation: roll back, try again more carefully, go on to the end."""
    bad = iter([True])

    def once(evaluation):
        return not_a_number(evaluation) if next(bad, False) else evaluation

    outcome = failing_run(once)
    assert (outcome.status, outcome.step, outcome.stopped) == (0, 10, None)
    assert outcome.last < outcome.first


def test_out_of_memory_half_way_keeps_the_picture_so_far(failing_run, four_steps):
    with pytest.raises(NSTError, match=r"out of memory at 32x24 pixels.*the picture so far is in out\.png"):
        failing_run(no_memory)
    assert np.array_equal(Image.open("out.png"), four_steps)


def test_out_of_memory_at_the_start(failing_run, tmp_path):
    with pytest.raises(NSTError, match=r"out of memory at 32x24 pixels: use a smaller --size$"):
        failing_run(no_memory, good=0)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_is_not_hidden_and_keeps_the_picture(failing_run, four_steps):
    with pytest.raises(RuntimeError, match="a fault of ours"):
        failing_run(fault)
    assert np.array_equal(Image.open("out.png"), four_steps)


def test_trace_that_cannot_be_written_at_the_end_costs_no_picture(stylize, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nst.cli.recorder.write_atomically", full)
    result = stylize("--trace", "t.json")
    assert (result.status, result.stderr.count("\n")) == (2, 1)
    assert "cannot write the trace t.json: No space left on device" in result.stderr
    assert Image.open("out.png").size == (32, 24)
