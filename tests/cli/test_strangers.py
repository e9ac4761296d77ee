"""Files of strangers: what a checkpoint, a picture's metadata and a table may not decide."""

import json
import os
import shlex
import subprocess

import numpy as np
import pytest
from PIL import Image

from nst.checkpoint import open_tensors, read_checkpoint, write_tensors
from nst.pictures.picture import Picture
from nst.pictures.writing import read_settings, write_picture
from nst.transfer import StyleTransfer


@pytest.fixture
def cut_off(stylize, monkeypatch, tmp_path):
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
        assert result.status == 130, result.stderr
        return tmp_path / "run.nst"

    return run


def change(path, edit):
    """Change the JSON of a checkpoint."""
    arrays, text = open_tensors(path)
    held = {name: read() for name, read in arrays.items()}
    document = json.loads(text)
    edit(document)
    write_tensors(
        path, {name: lambda array=array: array for name, array in held.items()}, json.dumps(document)
    )


def refused(result, *said):
    assert (result.status, result.stderr.count("\n")) == (2, 1), result.stderr
    for part in said:
        assert part in result.stderr


PLACES = {
    "output": ("-o", ["../out.png", "/{folder}/x.png", "sub/x.png", "..", ".x.png", "x\0.png", "link.png"]),
    "trace": (
        "--trace",
        ["../t.json", "/{folder}/t.json", ".bashrc", ".t.json", "numpy.py", "Makefile", "link.json"],
    ),
    "animate": ("--animate", ["../a.gif", "/{folder}/a.gif", "sub/a.gif", ".a.gif", "a.json", "link.gif"]),
}


def test_places_that_a_checkpoint_may_not_name(cut_off, command, tmp_path):
    path = cut_off()
    (tmp_path / "sub").mkdir()
    for suffix in ("png", "json", "gif"):
        (tmp_path / f"link.{suffix}").symlink_to(tmp_path / "sub" / "x")
    whole = path.read_bytes()
    before = sorted(tmp_path.rglob("*"))
    for name, (option, places) in PLACES.items():
        for place in places:
            path.write_bytes(whole)
            told = {name: place.format(folder=tmp_path)}
            change(path, lambda document, told=told: document["notes"]["job"].update(told))
            refused(command("resume", "run.nst", "--anyway"), option)
            if name != "output":  # however the picture is named
                refused(command("resume", "run.nst", "-o", "mine.png"), option)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("name", "file", "option"), [
    ("output", "photo.png", "-o"), ("trace", "package.json", "--trace"), ("animate", "holidays.gif", "--animate"),
])  # fmt: skip
def test_what_is_there_and_is_not_of_the_run_stays(name, file, option, cut_off, command, pictures, tmp_path):
    """Also a result of nst that was made of something else."""
    path = cut_off()
    change(path, lambda document: document["notes"]["job"].update({name: file}))
    if name == "trace":
        (tmp_path / file).write_text('{"settings": {"seed": 0}, "weights": {}}')
    else:
        Image.open(pictures.content).save(tmp_path / file)
    before = (tmp_path / file).read_bytes()
    refused(command("resume", "run.nst"), f"{file} is there and is not of this run", option)
    assert (tmp_path / file).read_bytes() == before
    assert command("resume", "run.nst", option, file).status == 0  # the person says so
    assert (tmp_path / file).read_bytes() != before


def test_another_result_of_nst_stays(cut_off, command, tmp_path):
    cut_off()
    write_picture(Picture(np.zeros((24, 32, 3), np.float32)), "out.png", {"settings": {"seed": 0}})
    refused(command("resume", "run.nst"), "out.png is there")


def test_saved_steps_take_nothing_over(cut_off, command, tmp_path):
    path = cut_off()
    (tmp_path / "out-1.png").write_text("mine")
    change(path, lambda document: document["notes"]["job"].update(save_every=1))
    refused(command("resume", "run.nst"), "out-1.png is there")
    refused(command("resume", "run.nst", "-o", "out.png"), "out-1.png is there")
    assert (tmp_path / "out-1.png").read_text() == "mine"


@pytest.mark.parametrize("suffix", ["gif", "webp", "mp4"])
def test_what_the_run_itself_has_written_is_replaced(suffix, stylize, command, monkeypatch, tmp_path):
    """After one Ctrl-C there are a picture so far, a trace, saved steps and an animation; from any folder."""
    if suffix == "mp4":
        pytest.importorskip("av")
    iterate = StyleTransfer.iterate

    def interrupted(self):
        import signal

        for record in iterate(self):
            if record.step == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield record

    options = ["--trace", "trace.json", "--save-every", 1, "--animate", f"out.{suffix}"]
    with monkeypatch.context() as patch:
        patch.setattr(StyleTransfer, "iterate", interrupted)
        assert stylize(*options, "--checkpoint", "run.nst", "--checkpoint-every", 0).status == 130
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out-1.png", "out-2.png", f"out.{suffix}", "out.png", "run.nst", "trace.json"}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = command("resume", "../run.nst", "-q")
    assert (result.status, result.stderr) == (0, "")
    assert read_settings("../out.png")["step"] == 3
    assert len(json.loads((tmp_path / "trace.json").read_text())["steps"]) == 4
    assert not (tmp_path / "run.nst").exists()


def test_a_cluster_and_devices_are_the_persons_own(cut_off, command, monkeypatch):
    def connect(*_):
        raise AssertionError("nobody has asked for a cluster")

    monkeypatch.setattr("nst.workers.cluster.connect", connect)
    path = cut_off()
    whole = path.read_bytes()
    change(path, lambda document: document["devices"].update(ray="ray://192.0.2.1:10001"))
    refused(command("resume", "run.nst"), "--ray ADDRESS")
    path.write_bytes(whole)
    change(path, lambda document: document["devices"].update(names=["cpu"] * 1000))
    refused(command("resume", "run.nst"), "--device")
    assert command("resume", "run.nst", "--device", "cpu").status == 0


@pytest.fixture
def no_download(monkeypatch):
    def download(*_, **__):
        raise AssertionError("nobody has asked for a download")

    monkeypatch.setattr("nst.models.store.resolve.obtain", download)
    monkeypatch.delenv("NST_OFFLINE", raising=False)


def test_no_file_starts_a_download(cut_off, command, pictures, no_download, tmp_path):
    path = cut_off()
    for name in ("vgg19", "vgg16-torchvision", "vgg19-normalised"):
        change(path, lambda document, name=name: document["weights"].update(spec=name))
        refused(command("resume", "run.nst"), f"--weights {name}")
        with pytest.raises(Exception, match=f"--weights {name}"):
            StyleTransfer.resume(path)
    document = described(pictures, weights={"from": "vgg16", "name": "vgg16", "sha256": "0"})
    refused(command("stylize", "--like", document, "-o", "out.png"), "--weights vgg16")
    table = tmp_path / "table.csv"
    table.write_text(f"content,style,weights\n{pictures.content},{pictures.style},vgg16\n")
    refused(command("batch", table, "-o", "out"), "--weights vgg16")


def described(pictures, settings=(), **document):
    """A picture whose metadata are of a run, changed."""
    found = {"content": str(pictures.content), "styles": [str(pictures.style)], "init": "content"}
    found |= {"backend": "numpy", "device": "cpu", "optimizer": "lbfgs", "steps": 1, "size": 32, "masks": {}}
    made = {"settings": {**found, **dict(settings)}, "versions": {}, "weights": {}, "step": 1, **document}
    write_picture(Picture(np.zeros((24, 32, 3), np.float32)), "made.png", made)
    return "made.png"


def test_bounds_are_the_persons_own(command, pictures, small_run):
    options = ["--like", described(pictures, {"max_pixels": 10**12}), *small_run, "-o", "out.png"]
    assert command("stylize", *options).status == 0
    assert read_settings("out.png")["settings"]["max_pixels"] == 2**28
    assert "max-pixels" not in command("show", "made.png").stdout


def test_names_that_look_like_options(command, pictures):
    """The command that is shown takes them for files."""
    shown = command(
        "show", described(pictures, {"content": "--trace=/tmp/x", "styles": ["-o", "--ray"]})
    ).stdout
    words = shlex.split(shown.splitlines()[0])
    assert words[2:5] == ["./--trace=/tmp/x", "./-o", "./--ray"]


def test_no_name_on_another_machine_is_looked_for(command, pictures, monkeypatch):
    exists = os.path.exists

    def here(path):
        assert not str(path).startswith(("//", "\\\\")), path
        return exists(path)

    monkeypatch.setattr(os.path, "exists", here)
    for name in ("//192.0.2.1/x.png", "\\\\host\\x.png:red"):
        for where in ({"content": name}, {"styles": [name]}, {"init": name}, {"masks": {"style1": name}}):
            refused(command("show", described(pictures, where)), "not one of a file here")
        made = described(pictures, command={"name": "recolor", "result": name, "color": "lab"})
        refused(command("show", made), "not one of a file here")


def test_escapes_are_spelt_out(command, pictures):
    sly = "\x1b]0;gone\x07\x1b[2Ja\u202egnp.exe\x9b1m\r"
    shown = command("show", described(pictures, {"content": sly, "init": sly}, versions={"nst": sly})).stdout
    assert "\\x1b]0;gone\\x07\\x1b[2Ja\\u202egnp.exe\\x9b1m\\r" in shown
    assert not set("\x1b\x07\x9b\r\u202e") & set(shown)
    result = command("stylize", pictures.content, sly + ".png", "-o", "out.png", "--backend", "numpy")
    assert "\\x1b[2J" in result.stderr
    assert not set("\x1b\x07\x9b\u202e") & set(result.stderr)


def test_a_table_imports_nothing_and_sets_no_bounds(command, pictures, tmp_path):
    (tmp_path / "evilmod.py").write_text("open('ran', 'w')")
    table = tmp_path / "table.csv"
    for column, cell, said in [
        ("backend", "evilmod:Class", "is code: give it yourself, with --backend"),
        ("device", "cpu", "unknown column 'device'"),
        ("memory", "1000", "unknown column 'memory'"),
        ("max-pixels", "1000000000000", "unknown column 'max_pixels'"),
        ("ray", "auto", "unknown column 'ray'"),
    ]:
        table.write_text(f"content,style,{column}\n{pictures.content},{pictures.style},{cell}\n")
        refused(command("batch", table, "-o", "out"), said)
    assert not (tmp_path / "ran").exists()


def test_a_posters_photograph_is_the_one_it_began_with(cut_off, command, pictures, tmp_path):
    path = cut_off()
    change(path, lambda document: document["notes"]["job"]["command"].update(long_side=64))
    change(path, lambda document: document["notes"]["job"].update(inputs={}))
    refused(command("resume", "run.nst", "--anyway"), "the poster needs", "as it was")


@pytest.mark.parametrize("edit", [
    lambda d: d.clear(), lambda d: d.update(settings=[]), lambda d: d.update(pictures=None), lambda d: d.pop("notes"),
    lambda d: d["position"].update(scale=99), lambda d: d["position"].update(state={"kind": "LBFGS"}),
    lambda d: d["position"].update(state=[[[]]]), lambda d: d["position"]["found"].update(sides=[]),
    lambda d: d["position"]["found"].update(scale=["x"]), lambda d: d["plan"].update(history=10**9),
    lambda d: d["notes"].update(job={"output": 1}), lambda d: d["notes"].update(frames=["x"]),
    lambda d: d["notes"].update(first="x"), lambda d: d["notes"].update(job=None), lambda d: d.update(format={}),
    lambda d: d["backend"].update(name="package.module:Class"), lambda d: d["backend"].update(device="nowhere"),
    lambda d: d["weights"].update(spec="\0"), lambda d: d["weights"].update(spec="//192.0.2.1/share/x"),
    lambda d: d["pictures"].update(styles=10**9), lambda d: d["pictures"].update(start=True),
    lambda d: d["notes"]["job"]["paths"].update(content=1),
])  # fmt: skip
def test_a_checkpoint_that_is_json_and_not_ours(edit, cut_off, command):
    change(cut_off(), edit)
    refused(command("resume", "run.nst", "--anyway"))


def test_arrays_of_another_shape(cut_off, command):
    path = cut_off()
    arrays, text = open_tensors(path)
    for name in [name for name in arrays if name.startswith("state") or name in ("content", "style 1")]:
        held = {name: read() for name, read in arrays.items()}
        held[name] = np.zeros((1, 2), np.float32)
        write_tensors("other.nst", {key: lambda array=array: array for key, array in held.items()}, text)
        refused(command("resume", "other.nst"), "damaged")
    assert read_checkpoint(path).document["format"] == 2


def test_pictures_archives_and_states_that_are_damaged(tmp_path, stylize, pictures):
    """A TIFF of no pixels, an archive that wants a later zip, what the next frame goes on from."""
    import tifffile

    from nst.cli.movies.frame_store import FrameStore
    from nst.errors import ImageError, WeightsError
    from nst.models.importers import import_file
    from nst.pictures import read_picture

    tifffile.imwrite("none.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with tifffile.TiffFile("none.tif", mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(0)
    with pytest.raises(ImageError):
        read_picture("none.tif")
    np.savez("later.npz", a=np.zeros(3))
    data = bytearray((tmp_path / "later.npz").read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 6] = 99  # "version needed" of the table of contents
    (tmp_path / "later.npz").write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        import_file("later.npz")
    store = FrameStore(tmp_path / "frames", {})
    shown = np.full((40, 50, 3), 0.5, np.float32)
    store.save(0, Picture(shown), shown)
    state = (tmp_path / "frames" / "nst-video-last.npz").read_bytes()
    for damaged in (
        state[: len(state) // 2],
        b"",
        bytes(data),
        state.replace(b"'shape': (40, 50, 3)", b"'shape': (40, 50, -3"),
        state.replace(b"'shape': (40, 50, 3)", b"'shape': (40, 50, " + bytes(2)),
    ):
        (tmp_path / "frames" / "nst-video-last.npz").write_bytes(damaged)
        assert store.raw(0).shape == (40, 50, 3)


@pytest.mark.parametrize(
    "words", [["presets"], ["--help"], ["stylize", "--help"], ["weights", "list"], ["stylize"]]
)
def test_a_pipe_that_is_closed_is_no_error(python, pictures, small_run, words, tmp_path):
    """Who reads it may go at any time, as `head` does; a picture is painted all the same, with `2>&1` too."""
    paints = words == ["stylize"]
    if paints:
        words = [
            "stylize",
            pictures.content,
            pictures.style,
            "-o",
            "o.png",
            *small_run,
            "--size",
            32,
            "--steps",
            2,
        ]
    reading, writing = os.pipe()
    os.close(reading)
    errors = writing if paints else subprocess.PIPE
    done = python("-m", "nst", *words, capture_output=False, stdout=writing, stderr=errors)
    os.close(writing)
    assert (done.returncode, done.stderr or "") == (0, "")
    assert (tmp_path / "o.png").exists() == paints


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
def test_a_pipe_is_not_replaced_by_a_picture(stylize, tmp_path):
    os.mkfifo("out.png")
    refused(stylize(), "out.png", "not a regular file")
    assert (tmp_path / "out.png").is_fifo()
