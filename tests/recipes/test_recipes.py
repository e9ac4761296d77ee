"""CONTRIBUTING.md followed to the letter, in a copy of the tree: what it says is all that there is to do.

A block below `<!-- the file PATH -->` is that file, or in a diff what changes there; `@@` stands between two places.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^<!-- the file (\S+) -->\n```(\w+)\n(.*?)^```$", re.S | re.M)


def blocks_of(title):
    """(file, language, text) of a section."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return BLOCK.findall(section)


def edited(text, diff):
    """The text with the changes of a diff, each of which fits in one place."""
    for place in diff.split("@@\n"):
        lines = place.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] != other) for other in "+-")
        assert text.count(old) == 1, f"{text.count(old)} places for:\n{place}"
        text = text.replace(old, new)
    return text


class Copy:
    """A copy of the tree, and processes that find it instead of this one."""

    def __init__(self, folder, python, environment):
        self.folder, self._python = folder, python
        # the bytecode comes along and no other is written: that of a file that changes twice in a second would be taken
        self.environment = environment | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("nst", "backends", "cli", "conformance", "models", "tests"):
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        (folder / "docs").mkdir()
        for name in ("pyproject.toml", "docs/command-line.md"):
            shutil.copy(ROOT / name, folder / name)

    def follow(self, blocks):
        for file, language, text in blocks:
            path = self.folder / file
            if language == "diff":
                self.change(file, lambda whole, diff=text: edited(whole, diff))
            else:
                assert not path.exists()
                path.write_text(text)

    def change(self, file, function):
        path = self.folder / file
        path.write_text(function(path.read_text()))

    def run(self, *arguments, status=0):
        done = self._python(*arguments, env=self.environment)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status == 2 else done.stdout

    def nst(self, *arguments, status=0):
        return self.run("-m", "nst", *arguments, status=status)

    def script(self, text, *arguments):
        """What a script prints as JSON."""
        where = "import json, sys, nst\nassert nst.__file__.startswith(sys.argv[1]), nst.__file__\n"
        return json.loads(self.run("-c", where + text, self.folder, *arguments))

    def tests(self, *names, status=0):
        """Run tests of the copy; what they print."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", self.folder,
                        *(self.folder / "tests" / name for name in names), status=status)  # fmt: skip


@pytest.fixture
def copy(tmp_path, python, environment):
    return Copy(tmp_path / "copy", python, environment)


@pytest.fixture
def painted(copy, pictures, small_run, tmp_path):
    """painted(*options): the result of `nst stylize` of the copy."""

    def paint(*options, style=pictures.style):
        out = tmp_path / "out.png"
        given = ["--size", 32, "--steps", 2, "--scales", 1, *options]
        copy.nst("stylize", pictures.content, style, "-o", out, *small_run, *given)
        return np.asarray(Image.open(out)).astype(int)

    return paint


COMMANDS_WITH = """
import click
from nst.cli.main import COMMANDS, cli
found = {}
for name in COMMANDS:
    command = cli.get_command(click.Context(cli), name)
    for one in [command, *getattr(command, "commands", {}).values()]:
        found[f"{name} {one.name}"] = [word for parameter in one.params for word in parameter.opts]
print(json.dumps([[name for name in found if option in found[name]] for option in sys.argv[2:]]))
"""


def test_a_new_option(copy, painted, tmp_path):
    blocks = blocks_of("A new option")
    assert [file for file, _, _ in blocks[:2]] == ["nst/settings.py", "nst/inputs.py"]
    copy.follow(blocks[:2])

    new, like = copy.script(COMMANDS_WITH, "--style-gray", "--style-weights")
    assert len(new) > 8
    assert set(new) == {*like, "vary vary"}  # which has the shares of the styles as an axis
    page = copy.nst("stylize", "--help-all")
    section = re.search(r"\nContent and style:\n(.*?)\n\n", page, re.S).group(1)
    assert "--style-gray" in section
    assert "Leave out the colours of the style pictures." in " ".join(section.split())

    Image.new("RGB", (40, 30), (200, 60, 10)).save(tmp_path / "plain.png")
    start = ("--steps", 0, "--init", "style")
    assert (painted(*start, style=tmp_path / "plain.png") == (200, 60, 10)).all()
    assert (painted(*start, "--style-gray", style=tmp_path / "plain.png") == 90).all()  # (200 + 60 + 10) / 3
    assert (painted("--style-gray") != painted()).any()

    tests = [
        f"test_settings.py::test_the_{name}"
        for name in (
            "types_of_the_arguments_are_those_of_the_fields",
            "table_in_the_readme_has_every_option_and_its_default",
        )
    ]
    printed = copy.tests(*tests, status=1)
    for _, _, text in blocks[2:]:
        (line,) = [line[1:].strip() for line in text.splitlines() if line[0] == "+"]
        assert line in printed
    copy.follow(blocks[2:])
    copy.tests("test_settings.py")


CALM = """
import numpy as np
from dataclasses import replace
from nst.models.forward import activations
from nst.models.weights import load_weights
network = load_weights(sys.argv[2])
content, style = (np.random.default_rng(seed).random((300, 300, 3), np.float32) for seed in (1, 2))
shallow = {"content_layers": "conv1_1", "style_layers": "conv2_1", "backend": "numpy", "scales": 1, "size": "content"}
shallow |= {"padding": "zero", "octave_noise": 0}  # as `activations` pads, and from the content itself

def transfer(side, weight, weights=network):
    return nst.StyleTransfer(content[:side, :side], style, weights=weights, calm_weight=weight, **shallow)

with_it, without = transfer(40, 2.0), transfer(40, 0.0)
first = next(with_it.iterate())
maps = dict(activations(network, content[:40, :40]))["conv5_1"].astype(float)
kept = {name: value for name, value in network.convolutions.items() if name < "conv4"}
try:
    transfer(40, 2.0, replace(network, convolutions=kept))
except nst.NSTError as error:
    refused = str(error)
print(json.dumps({
    "layers": [with_it.layers, without.layers],
    "weight": first.weights["calm"],
    "terms": [float(first.losses().terms["calm"]), float(np.square(maps).sum() / (maps.shape[-1] * maps.shape[-2]))],
    "peaks": [transfer(300, weight).plan.peak for weight in (2.0, 0.0)],
    "refused": refused,
}))
"""


def test_a_new_loss(copy, painted, pictures, small_run, weights_file):
    copy.follow(blocks_of("A new loss"))
    shallow = [
        "--content-layers",
        "conv1_1",
        "--style-layers",
        "conv1_1",
        "--size",
        "8",
        "--calm-weight",
        "1",
    ]
    refused = copy.nst(
        "stylize", pictures.content, pictures.style, "-o", "out.png", *small_run, *shallow, status=2
    )
    assert refused.startswith(
        "nst: error: the content picture is 8x6 pixels here, conv5_1 needs 16x16 at least"
    )
    assert len(refused.splitlines()) == 1
    assert (painted("--calm-weight", "1e-2") != painted()).any()

    found = copy.script(CALM, weights_file)
    assert found["layers"] == [["conv1_1", "conv2_1", "conv5_1"], ["conv1_1", "conv2_1"]]
    assert found["weight"] == 2.0
    assert found["terms"][0] == pytest.approx(found["terms"][1], rel=1e-5)
    assert found["peaks"][0] > 1.1 * found["peaks"][1]
    assert "conv5_1 is not there" in found["refused"]


CONFORMANCE = """
from nst.backends.numpy.backend import NumpyBackend
from nst.conformance.case import Subject
from nst.conformance.suite import run_cases, select
results = run_cases(Subject(NumpyBackend(dtype="float32")), select(6, sys.argv[2]))
print(json.dumps({result.id: [result.status, len(result.measurements)] for result in results}))
"""


def test_a_new_style_loss(copy, painted):
    copy.follow(blocks_of("A new style loss"))
    assert (painted("--style-loss", "amounts") != painted()).any()
    copy.tests("test_settings.py")

    cases = [
        f"{level}/{kind}/amounts"
        for level in ("loss", "gradient")
        for kind in ("style", "guided", "smoothed")
    ]
    found = copy.script(CONFORMANCE, "/amounts")
    assert set(found) == {*cases, "loss/zero-at-target/amounts", "gradient/slope/style/amounts"}
    assert all(status == "passed" and count > 0 for status, count in found.values())

    right = 'ops.sub(means["first"], targets["mean"])'
    wrong = 'ops.sub(means["first"], ops.scale(targets["mean"], 0.5))'
    copy.change("nst/losses/style_statistics.py", lambda text: text.replace(right, wrong))
    failed = {
        name for name, (status, _) in copy.script(CONFORMANCE, "/amounts").items() if status == "failed"
    }
    assert failed == {"loss/zero-at-target/amounts"}


RESUMED = """
import hashlib
import numpy as np
from nst.models.weights import load_weights
network = load_weights(sys.argv[2])
content, style = (np.random.default_rng(seed).random((40, 40, 3), np.float32) for seed in (1, 2))

def transfer(optimizer, **options):
    return nst.StyleTransfer(
        content, style, backend="numpy", weights=network, optimizer=optimizer, size=40, scales=1, steps=6, **options
    )

def last(transfer):
    *_, record = transfer.iterate()
    assert record.step == 6, record
    return record

whole = last(transfer("rmsprop", rate=0.003))
begun = transfer("rmsprop", rate=0.003)
losses = []
for record in begun.iterate():
    losses.append(float(record.losses().total))
    if record.step == 3:
        begun.save("half.checkpoint")
        break
resumed = last(nst.StyleTransfer.resume("half.checkpoint", weights=network))
bits = [hashlib.sha256(record.raw_picture().rgb.tobytes()).hexdigest() for record in (whole, resumed)]
peaks = {name: transfer(name).plan.peak for name in ("rmsprop", "adam")}
print(json.dumps({"bits": bits, "losses": losses, "peaks": peaks}))
"""


def test_a_new_optimiser(copy, painted, weights_file):
    copy.follow(blocks_of("A new optimiser"))
    assert (painted("--optimizer", "rmsprop") != painted("--optimizer", "adam")).any()
    copy.tests("test_settings.py")

    found = copy.script(RESUMED, weights_file)
    assert found["bits"][0] == found["bits"][1]
    assert found["losses"] == sorted(found["losses"], reverse=True)
    assert found["peaks"]["adam"] - found["peaks"]["rmsprop"] == 8 * 3 * 40 * 40  # a vector

    found = copy.script(CONFORMANCE, "/rmsprop")
    assert set(found) == {
        f"optimizer/{name}/rmsprop" for name in ("trajectory/deep", "trajectory/tv", "curve/shallow")
    }
    assert all(status == "passed" and count > 0 for status, count in found.values())
