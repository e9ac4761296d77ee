"""`nst.description`: the hash of all that decides a result. What it forgets makes a run go on from a wrong one."""

import hashlib
import json
import os
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nst.batch import Row
from nst.batch.manifest import inputs_of, key_of
from nst.cli.checkpoints import changed_inputs, hashes
from nst.cli.experiments.grid import Cell
from nst.cli.experiments.runs import RunContext
from nst.cli.job import Job
from nst.cli.videos import made_with
from nst.description import Fingerprints, Sources
from nst.optim import Adam
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.settings import Settings, make_settings, rule_of
from nst.transfer import StyleTransfer

WINDOWS = {"tile", "max_pixels"}
"""Settings that decide how a picture is computed and read, and not what comes out."""


def another(declared):
    """A value of a field that is not its default."""
    rule, default = rule_of(declared), getattr(Settings(), declared.name)
    values = [
        *rule.words,
        rule.words[:1],
        True,
        False,
        2,
        3,
        64,
        0.25,
        0.5,
        (1.0, 2.0),
        (2,),
        {"conv1_1": 1.0},
    ]
    return next(value for value in values if value != default and rule.allows(value))


CHANGES = {declared.name: another(declared) for declared in fields(Settings)}


@pytest.fixture
def row(pictures):
    return lambda **options: Row(str(pictures.content), (str(pictures.style),), "out.png", options)


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_makes_another_row_of_a_batch(name, row):
    files = Fingerprints()
    assert key_of(row(**{name: CHANGES[name]}), files) != key_of(row(), files)


@pytest.fixture
def context(pictures, tmp_path, weights_file):
    """context.path(**settings): where the run of an experiment is kept."""
    runs = RunContext(tmp_path, str(pictures.content), [str(pictures.style)], offline=True, quiet=True)
    fixed = {"weights": str(weights_file), "color": "histogram"}
    return lambda judges=(), **settings: runs.path(Cell(0, 0, "", {**fixed, **settings}), judges)


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_makes_another_run_of_an_experiment(name, context):
    assert context(**{name: CHANGES[name]}) != context()


def test_judges_backends_and_files_make_other_runs_of_an_experiment(context, tmp_path):
    start = str(tmp_path / "start.png")
    found = [context(), context(judges=["embedded"]), context(backend="numpy"), context(init=start)]
    for color in ("red", "blue"):
        Image.new("RGB", (4, 4), color).save(start)
        found += [context(init=start), context(masks={"style1": (start, color)})]
    assert len(set(found)) == len(found) == 8


@pytest.fixture
def video(pictures, small_network):
    """video(options, **settings): what decides the frames of a video."""

    def deciding(given=None, first=pictures.content, network=small_network, **settings):
        transfer = SimpleNamespace(settings=make_settings(**settings), weights=network)
        options = {"init": "content", "temporal_weight": 1.0, "next_steps": 2, **(given or {})}
        return made_with(SimpleNamespace(first=transfer), first, [str(pictures.style)], options)

    return deciding


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - WINDOWS - {"init"}))
def test_every_setting_makes_other_frames(name, video):
    changed = video(**{name: CHANGES[name]})
    assert [key for key, value in video().items() if changed[key] != value] == [name]


def test_windows_make_the_same_frames_and_other_options_do_not(video, pictures, tmp_path):
    assert video(tile=CHANGES["tile"], max_pixels=10**6) == video()
    mask = str(tmp_path / "mask.png")
    Image.new("L", (4, 4), 99).save(mask)
    given = [
        *({"init": "noise"}, {"init": mask}, {"temporal_weight": 2.0}, {"next_steps": 3}, {"protect": mask}),
        {"mask": [f"style1={mask}"]},
    ]
    found = [video(), video(first=pictures.other), *map(video, given)]
    assert all(one not in found[:number] for number, one in enumerate(found))


def test_every_setting_is_in_a_checkpoint(pictures, small_network, tmp_path):
    """A run that goes on has them all; those that are worked out for the picture are saved as they were settled."""
    alone = {"size": 32, "scales": 1, "steps": 3, "tile": "off", "max_pixels": 10**6, "style_weights": (2.0,)}
    layers = {"content_layers": "conv2_1", "style_layers": "conv1_1", "init": "noise", "optimizer": "adam"}
    given = {**CHANGES, **alone, **layers, "backend": "numpy", "weights": small_network}
    transfer = StyleTransfer(pictures.content, pictures.style, **given)
    next(transfer.iterate(), None)
    transfer.save(tmp_path / "run.nst")
    resumed = StyleTransfer.resume(tmp_path / "run.nst", weights=small_network)
    before, after = transfer.settings.as_dict(), resumed.settings.as_dict()
    assert after == {**before, "size": "content"}  # the pictures have it


def test_files_of_a_checkpoint(tmp_path):
    names = [str(tmp_path / name) for name in ("content", "style", "mask", "init")]
    for name in names:
        (tmp_path / name).write_text(name)
    content, style, mask, init = names
    sources = Sources(content, [style], {"style1": (mask, "red")}, init)
    job = Job(sources, "out.png", inputs=hashes(sources))
    assert job.inputs == {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    for name in names:
        assert changed_inputs(job) == []
        (tmp_path / name).write_text("another")
        assert changed_inputs(job) == [name]
        os.unlink(name)  # what is not there cannot have changed
    assert changed_inputs(job) == []


def test_the_keys_of_manifests_that_are_there_stay(row, pictures):
    """Worked out by hand, so that a batch of today is not painted again tomorrow."""
    content, style = (
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (pictures.content, pictures.style)
    )
    options = {"color": "lab", "masks": {"style1": [style, "red"]}, "size": 32}
    text = json.dumps({"content": content, "options": options, "styles": [style]})
    found = row(size=32, color="lab", tile=None, masks={"style1": (pictures.style, "red")})
    assert key_of(found, Fingerprints()) == hashlib.sha256(text.encode()).hexdigest()
    assert list(inputs_of(found, Fingerprints())) == [str(pictures.content), str(pictures.style)]


MADE = {
    "picture": Picture,
    "alpha": lambda array: Picture(array * 0, array[..., 0]),
    "pil": lambda array: Image.fromarray((array * 255).astype(np.uint8)),
    "array": lambda array: array,
    "torch": lambda array: pytest.importorskip("torch").from_numpy(array).permute(2, 0, 1),
    "masks": lambda array: Masks(regions=(array[..., 0], None), protect=array[..., 1]),
    "bytes": lambda array: array.tobytes(),
}


@pytest.mark.parametrize("kind", MADE)
def test_pictures_in_memory_are_told_apart_by_what_they_show(kind, row):
    """Their repr has their size, or a few of many numbers."""
    keys = []
    for level in (0.25, 0.5, 0.25):
        array = np.zeros((64, 64, 3), np.float32)
        array[32, 32] = level
        keys.append(key_of(row(init=MADE[kind](array)), Fingerprints()))
    assert keys[0] == keys[2] != keys[1]


def test_objects_that_are_no_pictures(row):
    rates = [key_of(row(optimizer=Adam(rate=rate)), Fingerprints()) for rate in (0.1, 0.2, 0.1)]
    assert rates[0] == rates[2] != rates[1]


def test_a_file_that_changes_is_read_again(tmp_path):
    files, path = Fingerprints(), tmp_path / "a"
    for text in ("one", "three"):
        path.write_text(text)
        assert files.file(str(path)) == hashlib.sha256(text.encode()).hexdigest()
    assert [files.file(name) for name in (str(tmp_path), str(tmp_path / "b"), "/dev/zero", "a\0b")] == [
        None
    ] * 4
