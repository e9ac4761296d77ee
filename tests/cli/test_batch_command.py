"""`nst batch` as people use it, kill -9 included."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64decode
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import psutil
import pytest
from PIL import Image

from nst.pictures.writing import read_settings


@pytest.fixture
def gallery(tmp_path):
    """Folders of contents and styles, in which the command is run."""
    draw(tmp_path / "contents", 3)
    draw(tmp_path / "styles", 2)
    return tmp_path


def draw(folder, count):
    folder.mkdir()
    for number in range(count):
        rng = np.random.default_rng([count, number])
        flat = rng.integers(0, 200, (3, 4, 3)).repeat(8, 0).repeat(8, 1) + rng.integers(0, 56, (24, 32, 3))
        Image.fromarray(flat.astype(np.uint8)).save(folder / f"{folder.name[0]}{number}.png")


@pytest.fixture
def batch(command, gallery, weights_file):
    """batch(*arguments): `nst batch` with the small network on numpy, into out/."""
    quick = ("--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 2)

    def run(*arguments):
        return command("batch", *quick, *arguments, "-o", "out")

    return run


def entries(folder):
    return [json.loads(line) for line in (folder / "nst-batch.jsonl").read_text().splitlines()]


SHOWN = "; out/nst-batch.html shows them\n"


class Terminal(io.StringIO):
    """Where somebody answers."""

    def isatty(self):
        return True


@pytest.mark.slow
def test_a_batch_of_hours_is_asked_about(batch, gallery, monkeypatch):
    monkeypatch.setattr("nst.cli.batches.forecast", lambda transfer: SimpleNamespace(total=1800.0))
    for answer, options, begins in (("n\n", ["--jobs", 2], False), ("\n", [], True), ("", ["--yes"], True)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        with monkeypatch.context() as patch:
            patch.setattr(sys.stderr, "isatty", lambda: True)
            patch.setenv("TERM", "dumb")
            done = batch("contents", "--styles", "styles", *options)
        asked = (
            "6 pictures, about 90 min: go on? [Y/n]"
            if options == ["--jobs", 2]
            else "about 3 h 0 min: go on?"
        )
        assert (asked in done.stderr) == (options != ["--yes"])
        assert done.status == (0 if begins else 2), done.stderr
        assert ("nst: error: nothing was begun" in done.stderr) != begins  # not "interrupted"
        assert len(list(gallery.glob("out/*.png"))) == (6 if begins else 0)
        shutil.rmtree(gallery / "out", ignore_errors=True)


@pytest.mark.slow
def test_words_behind_styles_are_styles_and_failures_are_listed_at_the_end(batch, gallery):
    (gallery / "contents" / "c9.png").write_text("no picture")
    done = batch("contents", "--styles", "styles/s0.png", "styles/s1.png", "--jobs", 2)
    assert done.status == 3
    assert done.stdout == "out: 6 painted, 2 failed" + SHOWN
    failures = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in failures] == ["c9-s0.png", "c9-s1.png"]
    assert all("not a picture" in line for line in failures)
    again = batch("contents", "--styles", "styles", "--name", "{content}-{style}.png")
    assert again.stdout == "out: 6 there already, 2 failed" + SHOWN
    assert len(entries(gallery / "out")) == 10  # the two that failed were tried once more


@pytest.mark.slow
def test_a_page_shows_what_became_of_each_photograph(batch, gallery):
    (gallery / "contents" / "a <b>.png").write_text("no picture")
    names = ["--name", "{style} #1/{content}.png"]
    assert batch("contents", "--styles", "styles/s0.png", "styles/s1.png", *names).status == 3
    page = (gallery / "out" / "nst-batch.html").read_text()
    assert "<title>8 pictures of 4 photographs</title>" in page
    assert "<li>s0 #1/a &lt;b&gt;.png: cannot read contents/a &lt;b&gt;.png: not a picture" in page
    links = re.findall(r'<a href="([^"]*)">', page)
    assert links == [f"s{style}%20%231/c{content}.png" for content in range(3) for style in range(2)]
    assert all((gallery / "out" / unquote(link)).is_file() for link in links)
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]*)" alt="([^"]*)"', page)
    assert [name for _, name in found[:6]] == ["s0.png", "s1.png", "c0.png", "c0.png", "c0.png", "c1.png"]
    assert len(found) == 2 + 3 * 3  # the paintings, and each photograph with its two; none of what failed
    assert Image.open(io.BytesIO(b64decode(found[-1][0]))).size == (32, 24)
    assert page.count("http") == 0  # nothing from elsewhere
    assert str(gallery) not in page


@pytest.mark.slow
def test_pairs_and_names(batch, gallery):
    (gallery / "contents" / "c2.png").unlink()
    done = batch(
        "contents", "--styles=styles/s1.png", "styles/s0.png", "--pair", "--name", "{style}/{number}.jpg"
    )
    assert (done.status, done.stderr) == (0, "")
    assert sorted(str(p.relative_to(gallery / "out")) for p in gallery.glob("out/**/*.jpg")) == [
        "s0/2.jpg",
        "s1/1.jpg",
    ]


def test_as_one_picture_was_made(batch, command, gallery, weights_file):
    """One is made until it is right, and then all of them like it."""
    one = ("contents/c0.png", "styles/s1.png", "--weights", weights_file, "--backend", "numpy", "--size", 32)
    more = ("--steps", 1, "--style-loss", "moments", "--metadata", "all", "-o", "one.png")
    assert command("stylize", *one, *more).status == 0
    done = command("batch", "contents", "--like", "one.png", "-o", "out")
    assert (done.status, done.stdout) == (0, "out: 3 painted" + SHOWN)
    same = [np.asarray(Image.open(gallery / name)) for name in ("one.png", "out/c0-s1.png")]
    np.testing.assert_array_equal(*same)
    assert read_settings(gallery / "out" / "c1-s1.png")["settings"]["style_loss"] == "moments"


def test_a_table_with_options_for_each_row(batch, gallery):
    (gallery / "lists").mkdir()
    Image.new("L", (8, 8), 128).save(gallery / "grey.png")
    (gallery / "lists" / "t.csv").write_text(
        "\ufeffContent,style,output,steps,style-loss,mask,smoothing\n"
        "contents/c0.png,styles/s0.png,first.png,1,,,\n"
        '../contents/c1.png,"styles/s0.png;styles/s1.png",,,moments,protect=grey.png,yes\n'
        "gone.png,styles/s0.png,,,,,no\n"
    )
    done = batch("lists/t.csv")
    assert done.status == 3
    assert done.stderr.startswith("nst: gone-s0.png: cannot read gone.png")
    assert done.stdout == "out: 2 painted, 1 failed" + SHOWN
    first, second = (
        read_settings(gallery / "out" / name)["settings"] for name in ("first.png", "c1-s0+s1.png")
    )
    assert (first["steps"], first["style_loss"], first["smoothing"], first["masks"]) == (1, "gram", False, {})
    assert (second["steps"], second["style_loss"], second["smoothing"]) == (2, "moments", True)
    assert second["masks"] == {"protect": "grey.png"}
    assert second["styles"] == ["s0.png", "s1.png"]  # their names, without folders


@pytest.mark.slow
def test_a_precision_a_size_in_a_table(batch, gallery, need):
    need("torch")
    (gallery / "t.csv").write_text(
        "content,style,output,scales,precision\n"
        'contents/c0.png,styles/s0.png,first.png,2,"bf16,...,fp32"\n'
        "contents/c0.png,styles/s0.png,second.png,2,bf16\n"
    )
    assert batch("t.csv", "--backend", "torch").status == 0
    first, second = (read_settings(gallery / "out" / name) for name in ("first.png", "second.png"))
    assert first["settings"]["precision"] == ["bf16", "...", "fp32"]
    assert second["settings"]["precision"] == "bfloat16"


TABLE = "content,style,output,tv-weight\ncontents/c0.png,styles/s0.png,café.png,0.7\n"
TABLES = {
    "semicolons, decimal commas": TABLE.replace(",", ";").replace("0.7", "0,7").encode("utf-8-sig"),
    "tabs in UTF-16": TABLE.replace(",", "\t").encode("utf-16"),
    "commas in cp1252": TABLE.encode("cp1252"),
    "trailing empty columns, Windows' ends of lines": TABLE.replace("\n", ",,\r\n").encode()
    + b",,,,,\r\n\r\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_as_spreadsheets_write_them(batch, gallery, name):
    (gallery / "t.csv").write_bytes(TABLES[name])
    done = batch("t.csv")
    assert (done.status, done.stdout, done.stderr) == (0, "out: 1 painted" + SHOWN, "")
    assert read_settings(gallery / "out" / "café.png")["settings"]["tv_weight"] == 0.7


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("content,steps\na,1\n", "has no column 'style'"),
        ("content,style,step\na,b,1\n", "unknown column 'step': did you mean steps?"),
        ("content,style,steps\na,b,many\n", "line 2"),
        ("content,style,steps\na,b,1,2\n", "line 2: there are more cells"),
        ("content,style\na,b\n,b\n", "line 3: there is no content"),
        ("content,style,smoothing\na,b,perhaps\n", "must be yes or no"),
        ("content,style,style-loss\na,b,cubism\n", "line 2.*cubism"),
        ("content,style,output\na,b,x.png\nc,b,x.png\n", "would be x.png"),
        ("content,style,style\na,b,c\n", "twice"),
        ("content,style\n", "nothing to paint"),
        ('content,style\n"a,b\n', "no CSV file"),
    ],
)
def test_a_table_that_is_wrong(batch, gallery, table, message):
    (gallery / "t.csv").write_text(table)
    done = batch("t.csv")
    assert done.status == 2
    assert done.stderr.count("\n") == 1
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["contents"], "no style picture"),
        (["contents/c0.png", "styles/s0.png"], "no style picture"),
        (["--styles", "styles", "contents"], "Missing argument"),
        (["nowhere", "--styles", "styles"], "no such file"),
        (["contents", "styles", "--styles", "styles", "--name", "{style}.png"], "would be s0.png"),
        (["contents", "--styles", "styles", "--steps", "-1"], "steps"),
        (["contents", "--styles", "styles", "--backend", "nonsense"], "nonsense"),
    ],
)
def test_bad_input_is_one_line(batch, words, message):
    done = batch(*words)
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


QUICK = ["--size", "32", "--steps", "2", "--scales", "1"]
QUICK += ["--content-layers", "conv2_1", "--style-layers", "conv1_1,conv2_1"]


def start(gallery, environment, weights_file, backend, output):
    words = ["contents", "--styles", "styles", "-o", output, "--weights", weights_file, "--backend", backend]
    words = [sys.executable, "-m", "nst", "batch", *map(str, words), *QUICK]
    return subprocess.Popen(
        words, cwd=gallery, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.png")}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_batch_that_is_killed_goes_on_as_if_nothing_had_happened(
    backend, tmp_path, environment, weights_file, need
):
    """12 contents in 3 styles, kill -9 in the middle: the same bytes, and nothing is done twice."""
    need(backend)
    draw(tmp_path / "contents", 12)
    draw(tmp_path / "styles", 3)
    assert start(tmp_path, environment, weights_file, backend, "whole").wait(300) == 0
    want = hashes(tmp_path / "whole")
    assert len(want) == 36

    process = start(tmp_path, environment, weights_file, backend, "out")
    manifest = tmp_path / "out" / "nst-batch.jsonl"
    until = time.monotonic() + 300
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 6:
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = manifest.read_bytes().count(b"\n")
    assert 6 <= before < 36
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive  # a worker does not outlive the batch
    assert gone

    again = start(tmp_path, environment, weights_file, backend, "out")
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0
    assert output.decode() == f"out: {36 - before} painted, {before} there already{SHOWN}"
    assert hashes(tmp_path / "out") == want
    outputs = [entry["output"] for entry in entries(tmp_path / "out")]
    assert len(outputs) == len(set(outputs)) == 36


@pytest.mark.slow
def test_ctrl_c_ends_it_and_says_how_to_go_on(tmp_path, environment, weights_file):
    draw(tmp_path / "contents", 20)
    draw(tmp_path / "styles", 3)
    process = start(tmp_path, environment, weights_file, "numpy", "out")
    manifest = tmp_path / "out" / "nst-batch.jsonl"
    until = time.monotonic() + 300
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 3:
        assert time.monotonic() < until
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    done = len(entries(tmp_path / "out"))
    assert errors.decode() == f"nst: interrupted: {done} of 60 are in out; the same command goes on\n"
