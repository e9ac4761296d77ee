"""Every public docstring has an example, and it runs.

Public is what `nst.__all__` and the `__all__` of the other `ROOMS` name: classes and functions that a caller makes or
calls. Exceptions have none (the example of `Settings` raises one), nor have protocols, what only the library makes, and
`EXEMPT`, for the reason that it states. `nst.losses` is no such room: a run makes its recipes of settings, and what
a caller writes against it, a loss of their own, is a program of docs/researchers.md, which test_pages.py runs.
"""

import doctest
import importlib
import inspect

import numpy as np
import pytest
from PIL import Image

import nst

ROOMS = ("nst", "nst.pictures", "nst.plot", "nst.export", "nst.video", "nst.batch")
EXEMPT = {
    "nst.export.export_onnx": "a graph takes seconds; tests/export runs the program in docs/export.md",
    "nst.export.read_style": "reads what the former writes",
    "nst.video.Last": "made by whoever owns the loop of a video; see stylize_frames",
    "nst.video.VideoTransfer": "see stylize_frames",
    "nst.batch.Executor": "a protocol",
    "nst.batch.Painted": "made by RowPainter",
    "nst.batch.RowPainter": "made by an executor",
    "nst.batch.Status": "made by Batch.run",
    "nst.batch.Summary": "made by Batch.run; see Batch",
    "nst.plot.Chart": "what the functions of nst.plot return",
}


def public():
    """Full name -> object."""
    found = {}
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in module.__all__:
            value = getattr(module, name)
            error = inspect.isclass(value) and issubclass(value, Exception)
            if (inspect.isfunction(value) or inspect.isclass(value)) and not error:
                found.setdefault(value, f"{room}.{name}")  # nst.Batch is nst.batch.Batch
    return {name: value for value, name in found.items()}


PUBLIC = public()
EXAMPLES = sorted(set(PUBLIC) - set(EXEMPT))


def test_no_exemption_is_stale():
    assert set(EXEMPT) <= set(PUBLIC)
    assert not [name for name in EXEMPT if ">>>" in (PUBLIC[name].__doc__ or "")]


@pytest.fixture
def doctest_namespace(tiny, tmp_path, monkeypatch):
    """`nst`, `np`, two pictures as arrays (32, 40, 3) in uint8, and as files photo.png and painting.png."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    content, style = (generator.integers(0, 256, (32, 40, 3), np.uint8) for _ in range(2))
    Image.fromarray(content).save("photo.png")
    Image.fromarray(style).save("painting.png")
    return {"nst": nst, "np": np, "content": content, "style": style}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name, doctest_namespace):
    if name.startswith("nst.plot."):
        pytest.importorskip("matplotlib")
    value = PUBLIC[name]
    space = {**vars(importlib.import_module(value.__module__)), **doctest_namespace}
    (example,) = doctest.DocTestFinder(recurse=False, exclude_empty=False).find(value, name, globs=space)
    assert example.examples, f"{name} has no example"
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(example, out=told.append).failed == 0, "".join(told)
