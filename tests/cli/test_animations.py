"""Animations that are damaged or far too large: one line, and soon."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst.cli.movies import animation
from nst.cli.movies.reading import open_source
from nst.errors import ImageError

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    ("name", "pixels"),
    [("anim-94.png", "51,539,609,280"), ("anim-248.webp", "152,434,368"), ("anim-1038.gif", "4,224,995,600")],
)
def test_mutants_that_were_no_errors_of_nst(name, pixels):
    """One took 56 seconds and 3 GB, the others raised what Pillow raises."""
    began = time.monotonic()
    with pytest.raises(ImageError, match=f"{name}: .*{pixels} pixels") as caught:
        open_source(str(DATA / name), None)
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)


def moving(path, count=4):
    noise = np.random.default_rng(3).integers(0, 256, (count, 24, 32, 3), np.uint8)
    frames = [Image.fromarray(frame) for frame in noise]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    return path


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_damage_is_an_error_of_nst_or_frames(suffix, tmp_path):
    """A format is known by its first bytes, whatever the name."""
    data = moving(tmp_path / f"a.{suffix}").read_bytes()
    rng = np.random.default_rng(5)
    path, errors = tmp_path / "b.mp4", []
    for number in range(60):
        mutant = bytearray(data)
        for _ in range(3):
            mutant[rng.integers(12, len(mutant))] = rng.integers(256)
        path.write_bytes(mutant if number % 3 else mutant[: rng.integers(12, len(mutant))])
        try:
            for frame in open_source(str(path), None).frames():
                assert frame.mode in ("RGB", "RGBA")
        except ImageError as error:
            errors.append(str(error))
    assert len(errors) > 10
    assert not any("\n" in error for error in errors)


def test_too_many_frames(tmp_path, monkeypatch):
    path = moving(tmp_path / "a.gif")
    monkeypatch.setattr(animation, "_ALL", 3 * 24 * 32)
    with pytest.raises(ImageError, match=r"a\.gif: 4 frames are too many; make a movie of it first"):
        open_source(str(path), None)


def test_frames_that_are_there_are_read(tmp_path):
    for suffix in ("gif", "webp", "png"):
        source = open_source(str(moving(tmp_path / f"a.{suffix}")), None)
        assert (source.count, source.timing.rate) == (4, 20)
        assert [frame.size for frame in source.frames()] == [(32, 24)] * 4
