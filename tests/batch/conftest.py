"""Contents, styles and a network for batches."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


def draw(path, seed, width=32, height=24):
    """A small picture, flat colours under noise."""
    rng = np.random.default_rng(seed)
    flat = rng.integers(0, 200, (3, 4, 3)).repeat(height // 3, 0).repeat(width // 4, 1)
    Image.fromarray((flat + rng.integers(0, 56, flat.shape)).astype(np.uint8)).save(path)


@pytest.fixture
def gallery(tmp_path):
    """Folders "contents" (three of one size, a, b and c) and "styles" (x and y), as paths."""
    for folder, names in (("contents", "abc"), ("styles", "xy")):
        (tmp_path / folder).mkdir()
        for name in names:
            draw(tmp_path / folder / f"{name}.png", ord(name))
    return SimpleNamespace(contents=tmp_path / "contents", styles=tmp_path / "styles", out=tmp_path / "out")


@pytest.fixture
def options(weights_file):
    """Of a quick run."""
    return {"weights": str(weights_file), "backend": "numpy", "steps": 2, "size": 32}
