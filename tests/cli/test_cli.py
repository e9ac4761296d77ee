"""Starting `nst`: help, version, what is imported, and every kind of bad input."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst._version import __version__
from nst.models.weights import save_weights
from nst.pictures.writing import _FORMATS, read_settings
from nst.transfer import StyleTransfer

HEAVY = {
    "torch",
    "tensorflow",
    "keras",
    "onnx",
    "onnxruntime",
    "numpy",
    "PIL",
    "safetensors",
    "rich",
    "scipy",
}
PAGES = [
    ["--version"],
    ["--help"],
    ["stylize", "--help"],
    ["backends", "--help"],
    ["weights", "--help"],
    ["weights", "list", "--help"],
    ["weights", "import", "-h"],
    ["demo", "--help"],
    ["texture", "--help"],
    ["invert", "--help"],
    ["experiment", "run", "--help"],
    ["presets", "--help"],
    ["video", "--help"],
    ["plan", "--help"],
    ["conformance", "--help"],
]
MODULES = """
import json, sys
from nst.cli.main import main
try:
    main(json.loads(sys.argv[1]))
finally:
    print(json.dumps([name for name in sys.modules if "." not in name]), file=sys.stderr)
"""


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_help_imports_nothing_heavy(page, python):
    done = python("-c", MODULES, json.dumps(page))
    assert done.returncode == 0
    assert done.stdout
    assert not HEAVY & set(json.loads(done.stderr))
    assert "\\b" not in done.stdout  # which tells click not to wrap; in a raw docstring it is two letters


@pytest.mark.slow
def test_help_is_quick(python):
    """0.3 s of the processor are too many (measured: 0.1 s); a busy machine gets twice that."""
    seconds = []
    for page in (["--version"], ["--help"], ["stylize", "--help"]) * 3:
        before = os.times()
        assert python("-m", "nst", *page).returncode == 0
        now = os.times()
        seconds.append(
            now.children_user + now.children_system - before.children_user - before.children_system
        )
    assert 0 < statistics.median(seconds) < 0.6


def test_version_and_help_texts(command):
    assert command("--version").stdout == f"nst, version {__version__}\n"
    page = command("--help").stdout
    for name in ("stylize", "backends", "weights", "demo"):
        assert f"\n  {name} " in page
    options = command("stylize", "--help-all").stdout
    wanted = "backend device weights size steps optimizer init seed content-weight style-weight tv-weight "
    wanted += "content-layers style-layers style-weights style-scale pooling trace quiet output"
    for option in wanted.split():
        assert f"--{option}" in options


def test_a_bare_group_shows_its_help_page(command):
    for group in ("weights", "experiment"):
        result = command(group)
        assert result.status == 2
        assert result.stderr.startswith(f"Usage: nst {group}")
        assert "\nOptions:\n" in result.stderr


BROKEN = {
    "zero.png": b"",
    "text.png": b"this is a letter",
    "garbage.safetensors": b"garbage" * 100,
    "short.pth": b"PK\x03\x04",
}


@pytest.fixture(scope="session")
def bomb(tmp_path_factory):
    """A small file of 400 million pixels."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.png"
    Image.new("1", (20000, 20000)).save(path)
    return path


@pytest.fixture
def broken(tmp_path, pictures, small_network, bomb):
    """A folder of things that are not what their names say; the tests run in it."""
    for name, data in BROKEN.items():
        (tmp_path / name).write_bytes(data)
    whole = pictures.content.read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder").mkdir()
    Image.new("RGB", (300, 2), "red").save(tmp_path / "narrow.png")
    (tmp_path / "bomb.png").symlink_to(bomb)
    shallow = replace(small_network, convolutions=dict(list(small_network.convolutions.items())[:3]))
    save_weights(shallow, tmp_path / "shallow.safetensors")
    return tmp_path


BAD_PICTURES = {
    "missing.png": "no such file",
    "folder": "it is a folder",
    "zero.png": "empty",
    "text.png": "not a picture",
    "cut.png": "cut short",
    "bomb.png": "decompression bombs",
    "narrow.png": "less narrow picture",
}


@pytest.mark.parametrize("where", ["content", "style"])
@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_picture(name, where, stylize, broken):
    result = stylize(**{where: name})
    assert_one_line(result, BAD_PICTURES[name])
    assert not (broken / "out.png").exists()


@pytest.mark.parametrize("name", ["missing.png", "zero.png", "text.png", "cut.png"])
def test_bad_start_picture(name, stylize, broken):
    assert_one_line(stylize("--init", name), BAD_PICTURES[name])


BAD_OPTIONS = [
    (["--content-layers", "conv9_1"], "unknown layer 'conv9_1'"),
    (["--style-layers", "conv1_1,relu2"], "unknown layer 'relu2'"),
    (["--style-layers", "conv1_1=x"], "the weight of conv1_1 is 'x'"),
    (["--style-layers", "conv1_1="], "the weight of conv1_1 is ''"),
    (["--style-layers", "conv1_1=-1"], "weight of conv1_1 is -1.0"),
    (["--style-layers", "conv1_1=nan"], "weight of conv1_1 is nan"),
    (["--content-layers", "conv1_1=inf"], "weight of conv1_1 is inf"),
    (["--style-layers", "conv1_1,conv1_1"], "named twice"),
    (["--style-layers", "", "--content-layers", ""], "content or style"),
    (["--style-weight", "0", "--content-weight", "0"], "content or style"),
    (["--content-weight", "-1"], "content weight is -1.0"),
    (["--style-weight", "nan"], "style weight is nan"),
    (["--tv-weight", "inf"], "tv weight is inf"),
    (["--content-weight", "heavy"], "'heavy' is not a valid float"),
    (["--style-weights", "1,2"], "2 style weights for 1 style picture"),
    (["--style-weights", "half"], "'half' is not a list of numbers"),
    (["--style-weights", "0"], "not all zero"),
    (["--style-weights", "-1"], "0 or more"),
    (["--style-weights", ""], "'' is not a list of numbers"),
    (["--size", "0"], "size is 0"),
    (["--size", "-5"], "size is -5"),
    (["--size", "1e3"], "'1e3' is not content, or an integer from 1 to 65536"),
    (["--size", "99999999"], "size is 99999999"),
    (["--steps", "-1"], "steps is -1"),
    (["--seed", "-1"], "seed is -1"),
    (["--style-scale", "0"], "style scale is 0.0"),
    (["--style-scale", "nan"], "style scale is nan"),
    (["--pooling", "median"], "'median' is not one of"),
    (
        ["--precision", "bf17"],
        "'bf17' is not auto, fastest, fp32, bf16, fp16, or a list of fp32, bf16 and fp16",
    ),
    (["--precision", "fp32,...,bf16,..."], "one a size"),
    (["--precision", "fp32,bf16"], "2 precisions for 1 scale(s) with steps (32 pixels)"),
    (["--optimizer", "sgd"], "'sgd' is not one of"),
    (["--backend", "caffe"], "unknown backend 'caffe'"),
    (["--device", "tpu"], "unknown device 'tpu'"),
    (["--device", "cuda:x"], "unknown device 'cuda:x'"),
    (["--device", "cuda"], "runs on the CPU only"),
    (["--weights", "missing.safetensors"], "no such file"),
    (["--weights", "folder"], "'folder'"),
    (["--weights", "garbage.safetensors"], "garbage.safetensors"),
    (["--weights", "zero.png"], "zero.png"),
    (["--weights", "short.pth"], "short.pth"),
    (["--weights", "shallow.safetensors"], "end at conv2_1"),
    (["--trace", "nofolder/trace.json"], "there is no folder"),
    (["--trace", "folder"], "directory"),
    (["--trace", "./out.png"], "the trace and the picture are both"),
    (["--trace", os.devnull], "not a regular file"),
    (["--painter", "monet"], "No such option"),
]


@pytest.mark.parametrize(("options", "cause"), BAD_OPTIONS, ids=[" ".join(o) for o, _ in BAD_OPTIONS])
def test_bad_option(options, cause, stylize, broken):
    result = stylize(*options)
    assert_one_line(result, cause)
    assert not (broken / "out.png").exists()


def test_style_weights_that_overflow(stylize, pictures):
    result = stylize("--style-weights", "1e308,1e308", style=[pictures.style, pictures.other])
    assert_one_line(result, "style weights")


BAD_OUTPUTS = {
    "out.xyz": "the extension .xyz",
    "out": "no extension",
    "nofolder/out.png": "there is no folder",
    "folder.png": "it is a folder",
    "text.png/out.png": "there is no folder",
}


@pytest.mark.parametrize("output", BAD_OUTPUTS)
def test_bad_output_is_found_before_any_work(output, stylize, broken):
    (broken / "folder.png").mkdir()
    began = {path: path.stat().st_mtime_ns for path in broken.iterdir()}
    assert_one_line(stylize(output=output, content="missing.png"), BAD_OUTPUTS[output])
    assert began == {path: path.stat().st_mtime_ns for path in broken.iterdir()}


def test_output_too_large_for_its_format_is_found_before_the_work(stylize, monkeypatch):
    monkeypatch.setitem(_FORMATS, ".webp", _FORMATS[".webp"]._replace(longest=31))
    assert_one_line(stylize(output="out.webp"), "write .png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(stylize, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    assert_one_line(stylize(output="locked/out.png"), "Permission denied")


def test_unwritable_folder(stylize, monkeypatch):
    """As root, who may write everywhere, sees it: a read-only mount."""
    opened = os.open

    def read_only(path, *arguments, **options):
        if ".nst-" in str(path):
            raise OSError(30, "Read-only file system")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", read_only)
    assert_one_line(stylize(), "Read-only file system")
    assert_one_line(stylize("--trace", "trace.json"), "Read-only file system")


def test_missing_arguments(command):
    assert_one_line(command("stylize"), "Missing argument 'CONTENT'")
    assert_one_line(command("stylize", "a.png", "-o", "out.png"), "Missing argument 'STYLE...'")
    assert_one_line(command("paint"), "there is no command 'paint'")


def test_without_a_name_for_the_result(command, pictures, small_run, tmp_path):
    """It is written beside the photograph, and over nothing; the command's name may be left out."""
    photo, painting = tmp_path / "sub" / "photo.jpg", tmp_path / "painting.png"
    photo.parent.mkdir()
    Image.open(pictures.content).save(photo)
    shutil.copy(pictures.style, painting)
    small = [*small_run, "--size", 32, "--steps", 0]
    for words, name in (
        (["stylize", photo, painting], "photo-painting.png"),
        ([photo, painting], "photo-painting-2.png"),
        (["poster", photo, painting, "--long-side", 40], "photo-painting-poster.png"),
        (["invert", photo], "photo-conv4_2.png"),
    ):
        result = command(*words, *small)
        assert (result.status, result.stdout.split(":")[0]) == (0, str(photo.with_name(name))), result.stderr
    assert command("recolor", photo.with_name("photo-painting.png"), "--content", photo).status == 0
    assert command("texture", painting, *small_run, "--steps", 0).status == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    names = ("conv4_2", "painting-2", "painting-lab", "painting-poster", "painting")
    assert found == ["painting-texture.png", "painting.png", *(f"sub/photo-{name}.png" for name in names)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["stylize", "photo.png", "painting.png", "out.png"],
            "there is no out.png: did you mean -o out.png?",
        ),
        (["stylize", "photo.png", "painting.png", "--size", "4k"], "write 3840, or see nst poster"),
        (["stylize", "photo.png", "painting.png", "--size", "512x384"], "write the longest side, 512"),
        (
            ["stylize", "photo.png", "painting.png", "--protect", "hair"],
            "give face, subject or a mask picture",
        ),
        (["stylize", "photo.png", "painting.png", "--device", "gpu"], "a GPU is cuda, or mps on a Mac"),
        (["stylize", "https://a.b/c.jpg", "painting.png"], "it is an address; save the picture first"),
        (["stylize", ".", "painting.png"], "it is a folder; give a picture file, or see nst batch"),
        (["stylize", "*.jpg", "painting.png"], "for many pictures see nst batch"),
        (["batch", "photo.png", "painting.png", "-o", "out"], "did you mean --styles painting.png?"),
        (
            ["resume", "photo.png"],
            "photo.png is a picture, and there is no photo.png.checkpoint: see nst show",
        ),
        (["photo.png"], "Missing argument 'STYLE...'"),
    ],
)
def test_what_is_typed_by_mistake_is_told_in_one_line(words, says, command, pictures, tmp_path):
    shutil.copy(pictures.content, tmp_path / "photo.png")
    shutil.copy(pictures.style, tmp_path / "painting.png")
    assert_one_line(command(*words), says)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["painting.png", "photo.png"]


def test_other_words_for_the_same(stylize):
    assert stylize("--strength", "70%", "--style-layers", "relu1_1,relu2_1", "--steps", 0).status == 0
    found = read_settings("out.png")["settings"]
    assert found["balance"] == pytest.approx(30 * (7 / 3) ** 2)
    assert list(found["style_layers"]) == ["conv1_1", "conv2_1"]


def test_a_picture_stands_for_its_checkpoint(stylize, command, monkeypatch, tmp_path):
    iterate = StyleTransfer.iterate

    def one_step(self):
        for record in iterate(self):
            yield record
            if record.step == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StyleTransfer, "iterate", one_step)
        stylize("--checkpoint", "out.png.checkpoint", "--checkpoint-every", 0)
    assert (tmp_path / "out.png.checkpoint").exists()
    assert command("resume", "out.png").status == 0
    assert read_settings("out.png")["step"] == 3


def test_pictures_are_checked_before_a_backend_or_weights_are_loaded(stylize, monkeypatch):
    def loaded(*arguments, **options):
        raise AssertionError("loaded too early")

    monkeypatch.setattr("nst.cli.engine.load_backend", loaded)
    monkeypatch.setattr("nst.models.store.resolve.resolve_weights", loaded)
    assert_one_line(stylize(content="missing.png"), "no such file")
    assert_one_line(stylize("--style-layers", "conv9_9"), "unknown layer")


def test_out_of_memory_while_setting_up(stylize, monkeypatch):
    def too_large(*arguments):
        raise MemoryError

    monkeypatch.setattr("nst.inputs.resize", too_large)
    assert_one_line(stylize("--size", 30000), "out of memory at --size 30000: use a smaller --size")


def test_errors_of_a_whole_process(python, pictures, weights_file):
    """What the tests above see in their own process holds for a real one."""
    fixed = [pictures.style, "-o", "out.png", "--weights", weights_file, "--backend", "numpy"]
    done = python("-m", "nst", "stylize", "missing.png", *fixed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nst: error: cannot read missing.png: no such file; check the name and the folder\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_stdout(python):
    with open("/dev/full", "w") as full:
        done = python("-m", "nst", "--version", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


def test_reader_that_goes_away(environment, tmp_path):
    """As in `nst --help | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(0.3); import runpy; runpy.run_module('nst')"],
        env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.wait()


def assert_one_line(result, cause):
    """Exit status 2, and one line on stderr that names the cause."""
    assert result.stderr.startswith("nst: error: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("\n")
    assert cause in result.stderr
    assert (result.status, result.stdout) == (2, "")


def test_one_pixel_is_a_flat_picture_of_its_colour(stylize, tmp_path):
    results = {}
    for side in (1, 40):
        Image.new("RGB", (side, side), (20, 60, 180)).save(tmp_path / "content.png")
        Image.new("RGB", (side, side), (200, 30, 40)).save(tmp_path / "style.png")
        result = stylize("--size", 16, content="content.png", style="style.png")
        assert result.status == 0
        results[side] = np.asarray(Image.open("out.png"), float)
    assert results[1].shape == (16, 16, 3)
    assert np.abs(results[1] - results[40]).max() <= 1
    assert np.abs(results[1] - [20, 60, 180]).max() > 5  # it did change


def test_style_equal_to_content_gives_the_content_back(stylize, pictures):
    result = stylize("--octave-noise", 0, style=pictures.content)
    assert result.status == 0
    assert "loss 0 -> 0; converged" in result.stdout
    assert np.array_equal(Image.open("out.png"), Image.open(pictures.content))


@pytest.mark.parametrize("written", ["output", "trace", "animate"])
@pytest.mark.parametrize("which", ["content", "style"])
def test_a_picture_that_goes_in_is_never_written_to(stylize, pictures, tmp_path, written, which):
    own = {name: tmp_path / f"{name}.png" for name in ("content", "style")}
    for name, path in own.items():
        path.write_bytes(getattr(pictures, name).read_bytes())
    alias = tmp_path / "alias.gif"
    alias.symlink_to(own[which])
    target = alias if written == "animate" else own[which]
    options = ["--steps", 0] + ([] if written == "output" else [f"--{written}", target])
    result = stylize(*options, output=target if written == "output" else "out.png", **own)
    assert_one_line(result, f"{target} is a picture that goes in: give the output another name")
    assert own[which].read_bytes() == getattr(pictures, which).read_bytes()


def test_a_result_that_is_gone_on_from_may_be_replaced(stylize, tmp_path):
    assert stylize("--steps", 1).status == 0
    before = (tmp_path / "out.png").read_bytes()
    assert stylize("--steps", 1, "--init", "out.png").status == 0
    assert (tmp_path / "out.png").read_bytes() != before


@pytest.mark.parametrize(
    "words",
    [
        ["stylize", "gone.jpg", "a.jpg"], ["poster", "gone.jpg", "a.jpg"], ["plan", "gone.jpg", "a.jpg"],
        ["texture", "gone.jpg"], ["invert", "gone.jpg"], ["vary", "gone.jpg", "a.jpg", "-o", "s"],
        ["batch", "gone.jpg", "--styles", "a.jpg", "-o", "s"], ["video", "gone.jpg", "a.jpg", "-o", "s"],
    ],
)  # fmt: skip
def test_what_is_read_is_said_first_where_somebody_looks(words, command, monkeypatch):
    monkeypatch.setattr("nst.cli.engine.is_watched", lambda: True)
    done = command(*words)
    assert done.status == 2
    said, why = done.stderr.splitlines()
    assert said == "reading gone.jpg"
    assert "gone.jpg" in why
    assert command(*words, "-q").stderr == f"{why}\n"
