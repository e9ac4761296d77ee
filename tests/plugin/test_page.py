"""docs/writing-a-backend.md: its code runs, and its tables say what the protocol says."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nst.backends.operators import OperatorOps
from nst.backends.tape import Kernels
from nst.protocol import Arithmetic, Ops, VectorSpace

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "writing-a-backend.md").read_text()
BLOCK = re.compile(r"(?:<!-- the file (\S+) -->\n)?```(\w+)\n(.*?)```", re.S)
BLOCKS = [match.groups() for match in BLOCK.finditer(TEXT)]
SIZES = {"N": 2, "C": 3, "O": 4, "H": 5, "W": 7, "I": 3, "J": 4, "K": 6, "m": 2}
WORDS = {"margin": 2, "mode": "circular", "axis": "height", "factor": 0.5}


def code(word):
    """The block of Python, no file of the plug-in, that has this word."""
    (found,) = [text for file, language, text in BLOCKS if language == "python" and not file and word in text]
    return found


def rows(title):
    """The rows of the table with this title in the first column."""
    _, _, rest = TEXT.partition(f"\n| {title} |")
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def declared(protocol):
    """`name(arguments)` of a protocol's own methods, in order."""
    methods = {name: method for name, method in vars(protocol).items() if inspect.isfunction(method)}
    return [
        f"{name}({', '.join(list(inspect.signature(method).parameters)[1:])})"
        for name, method in methods.items()
        if not name.startswith("_")
    ]


def test_the_blocks_are_those_that_are_tested_here():
    kinds = [(file or language) for file, language, _ in BLOCKS]
    assert sorted(kinds) == sorted(
        [
            "tests/plugin/pyproject.toml",
            *(f"tests/plugin/nst_mine/{name}.py" for name in ("__init__", "space", "kernels", "tensor")),
            *["python"] * 3,
            "bash",
        ]
    )


@pytest.mark.parametrize(("file", "text"), [(file, text) for file, _, text in BLOCKS if file])
def test_a_file_of_the_plugin_stands_on_the_page(file, text):
    """And the plug-in is installed, checked and used in test_plugin.py."""
    assert text == (ROOT / file).read_text()


def test_the_skeleton_is_whole():
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/plugin/nst_mine").glob("*.py")}
    assert package <= {file for file, _, _ in BLOCKS}


def test_the_check_of_requests_runs():
    exec(code("parse_device"), {})


def test_the_gradient_in_jax(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.syspath_prepend(ROOT / "examples" / "nst-jax")
    found = {}
    exec(code("value_and_grad"), found)

    def function(ops, x, constants):
        total = ops.sum(ops.square(ops.sub(x, constants["c"])))
        return total, {"distance": total}

    x, c = np.float32([1.0, -2.0, 3.0]), np.float32([0.5, 0.5, 0.5])
    evaluation = found["compile"](None, function, x, {"c": c})(x, {"c": c})
    assert float(evaluation.total) == 0.25 + 6.25 + 6.25
    np.testing.assert_array_equal(evaluation.gradient, [1.0, -5.0, 5.0])


def test_the_class_for_pytest(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "plugin")
    found = {}
    exec(code("BackendConformance"), found)
    assert found["TestMine"]().backend().name == "mine"


def test_the_commands(plugged):
    (commands,) = [text for _, language, text in BLOCKS if language == "bash"]
    for line in commands.splitlines():
        words = line.split()
        assert words[-1] == "1" or "nst conformance mine" in line  # which test_plugin.py runs
        quick = words if "--level" in words else [*words, "--level", "0"]
        command = [sys.executable, *(quick[1:] if quick[0] == "python" else ["-m", *quick])]
        done = subprocess.run(command, capture_output=True, text=True, env=plugged, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_primitive_is_listed():
    listed = [re.match(r"`(.*?)`", row[0]).group(1) for row in rows("primitive")]
    assert listed == declared(Ops)


def test_the_star_is_what_operators_give():
    starred = {row[0].split("(")[0][1:] for row in rows("primitive") if row[0].endswith("*")}
    assert starred == {name for name in vars(OperatorOps) if not name.startswith("_")}


@pytest.mark.parametrize("row", rows("primitive"), ids=lambda row: row[0].split("(")[0][1:])
def test_the_shapes_of_a_primitive(row, monkeypatch):
    """Held against the kernels of the plug-in."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "plugin")
    from nst_mine.kernels import Kernels as Mine

    names = re.search(r"\((.*?)\)", row[0]).group(1).split(", ")
    given, result = row[1].split(" -> ")
    kinds = re.findall(r"\(.*?\)|\w+", given)
    assert len(kinds) == len(names)
    arguments = [
        WORDS[name] if kind in ("number", "word") else np.ones(shape(kind), np.float32)
        for name, kind in zip(names, kinds, strict=True)
    ]
    assert getattr(Mine(), row[0].split("(")[0][1:])(*arguments).shape == shape(result)


def shape(text):
    """(N, H//2) and so on as numbers; S is any shape."""
    if text == "S":
        return (2, 3, 5)
    return tuple(eval(word, {}, SIZES) for word in text.strip("()").split(", ") if word)


def test_every_adjoint_is_listed():
    assert [row[0].strip("`") for row in rows("kernel")] == declared(Kernels)


def test_every_operation_on_vectors_is_listed():
    listed = [row[0].strip("`") for row in rows("operation")]
    assert sorted(listed) == sorted([*declared(Arithmetic), *declared(VectorSpace)])


def test_every_member_of_a_backend_is_listed():
    from nst.protocol import Backend

    members = {name for name in vars(Backend) if not name.startswith("_")} | set(Backend.__annotations__)
    assert {name.split("(")[0] for row in rows("member") for name in re.findall(r"`(\w+)", row[0])} == {
        *members,
        "__init__",
    }
