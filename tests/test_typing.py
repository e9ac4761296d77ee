"""What type checkers say about programs that use nst: mypy and pyright refuse what the settings refuse."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import assert_type

import nst
from nst.video import VideoTransfer, stylize_frames

style = "painting.jpg"
array = np.zeros((8, 8, 3), np.uint8)
image = Image.new("RGB", (8, 8))
rest: dict[str, Any] = {"size": 8}
records: list[nst.Progress] = []
cancel = threading.Event()


class Tensor:
    shape = (3, 8, 8)
    dtype = "float32"


# what is allowed, and the kind of the result
assert_type(nst.stylize("photo.jpg", style), Image.Image)
assert_type(nst.stylize(Path("photo.jpg"), [style, image], style_weights=[0.5, 0.5]), Image.Image)
assert_type(nst.stylize(image, array, steps=(200, 100, "..."), scales=[4, 8]), Image.Image)
assert_type(nst.stylize(array, style, steps=10, pooling="max", init=array), NDArray[np.uint8])
assert_type(nst.stylize(Tensor(), style, optimizer=nst.Adam(rate=0.1)), Tensor)
assert_type(nst.invert(array, "conv3_1", steps=3, scales="auto"), NDArray[np.uint8])
assert_type(nst.texture(style, (32, 32), padding="circular", style_scale=None), Image.Image)
assert_type(nst.texture([array, array], 32), NDArray[np.uint8])
assert_type(stylize_frames([array], style, next_steps=5), Iterator[NDArray[np.uint8]])
watched = nst.stylize(array, style, callback=records.append, progress=True, deadline=2.5, cancel=cancel)
assert_type(watched, NDArray[np.uint8])
assert_type(nst.texture(style, 32, progress="auto", deadline=None), Image.Image)
assert_type(nst.invert(array, callback=lambda record: None, cancel=cancel), NDArray[np.uint8])
transfer = nst.StyleTransfer(image, style, size="content")
assert_type(transfer, nst.StyleTransfer[Image.Image])
assert_type(transfer.paint(print, deadline=1), nst.Result[Image.Image])
assert_type(nst.StyleTransfer("photo.jpg", style).paint().image, Image.Image)
assert_type(nst.StyleTransfer(array, style, steps=3).run(), NDArray[np.uint8])
assert_type(nst.StyleTransfer(Tensor(), style, layout="hwc").paint().image, Tensor)
transfer.paint().save("painted.png", metadata="none", dpi=300)
anything: nst.Result = transfer.paint()
nst.stylize("photo.jpg", style, **nst.settings_of("painted.png"))
transfer.run(records.append, progress=False, cancel=cancel)
chart: nst.plot.Chart = nst.plot.losses(transfer.paint(), labels=["one"])
for record in transfer.iterate(until=cancel.is_set):
    assert_type(record, nst.Progress)
nst.stylize("photo.jpg", style, **nst.preset("crowson"))
nst.stylize("photo.jpg", style, backend="numpy", **rest)
nst.StyleTransfer("photo.jpg", style, content_layers={"conv4_2": 1.0}, means=("content",), memory=10**9)
nst.Settings(content_layers={"conv4_2": 1.0}, steps=(1, 2))

# what is not
nst.stylize("photo.jpg", style, steps="ten")  # refused
nst.stylize("photo.jpg", style, stepz=3)  # refused
nst.stylize("photo.jpg", style, pooling="bogus")  # refused
nst.stylize("photo.jpg", style, color="mauve")  # refused
nst.stylize("photo.jpg", style, steps=(1, "more"))  # refused
nst.stylize(5, style)  # refused
nst.stylize("photo.jpg", style, size=None)  # refused
nst.stylize("photo.jpg", style, deadline="soon")  # refused
nst.stylize("photo.jpg", style, progress="yes")  # refused
nst.stylize("photo.jpg", style, cancel=True)  # refused
nst.stylize("photo.jpg", style, callback=3)  # refused
nst.StyleTransfer("photo.jpg", style, deadline=3)  # refused
transfer.run(deadlin=3)  # refused
nst.texture(style, cancel=True)  # refused
nst.StyleTransfer("photo.jpg", style, steps="ten")  # refused
nst.StyleTransfer("photo.jpg", style, stepz=3)  # refused
nst.StyleTransfer("photo.jpg", style, pooling="bogus")  # refused
nst.invert("photo.jpg", steps="ten")  # refused
nst.invert("photo.jpg", style_layers="conv1_1")  # refused
nst.texture(style, stepz=3)  # refused
nst.texture(style, content_layers="conv1_1")  # refused
stylize_frames([image], style, next_steps="ten")  # refused
VideoTransfer(image, style, pooling="bogus")  # refused
nst.Settings(pooling="bogus")  # refused
nst.Settings(stepz=3)  # refused
nst.StyleTransfer(Tensor(), style, layout="whc")  # refused
transfer.paint().save("painted.png", metadata="some")  # refused
"""
LINES = PROGRAM.splitlines()
REFUSED = [number for number, line in enumerate(LINES, start=1) if line.endswith("# refused")]


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def told(found):
    """The lines that a checker complains about, so that a failure shows them."""
    return {number: LINES[number - 1] for number in sorted(found)}


def test_mypy(root, program):
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(program)]
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "MYPYPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    found = re.findall(r"program\.py:(\d+): error", done.stdout)
    assert told(map(int, found)) == told(REFUSED), done.stdout + done.stderr


def test_pyright(root, program, tmp_path):
    if find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    settings = {"extraPaths": [str(root)], "pythonVersion": "3.10", "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(program)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    messages = json.loads(done.stdout)["generalDiagnostics"]
    found = [
        one["range"]["start"]["line"] + 1
        for one in messages
        if one["severity"] == "error" and one["file"].endswith("program.py")
    ]
    assert told(found) == told(REFUSED), done.stdout
