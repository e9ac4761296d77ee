"""No picture of the documentation is woven, by the figure of `benchmarks/quality.py`."""

import pytest
from PIL import Image

FINE, COARSE = 4.0, 2.5
"""dB at periods of 2 to 2.8 and of 2.8 to 4 px. Paintings have -2 to 0, scaffolding and windows more."""

OTHERWISE = {
    "paper/reconstructions.jpg": "contents and textures from noise, as in the paper",
    "paper/start.jpg": "one scale and from noise, as in the paper",
    "studio.jpg": "a page with letters and lines",
    "studio-dark.jpg": "a page with letters and lines",
}
"""What the default did not paint."""


@pytest.mark.slow
def test_no_picture_is_woven(weave, root):
    folder = root / "docs" / "pictures"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
    assert len(names) > 15
    assert set(OTHERWISE) <= names
    found = {name: weave(Image.open(folder / name)) for name in sorted(names - set(OTHERWISE))}
    woven = {name: figures for name, figures in found.items() if figures[0] > FINE or figures[1] > COARSE}
    assert not woven
