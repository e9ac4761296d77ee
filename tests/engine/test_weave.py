"""No weave: what a style picture does not have, a result does not have, with the paper's own network.

Power along the axes over power along the diagonals at periods of 2 to 4 px, in dB; a painting has about -2 to 0.
"""

import io

import pytest
from PIL import Image

import nst
from nst.samples import read_sample

SIZE, STEPS = 192, (8, 8)


def sample(name):
    return Image.open(io.BytesIO(read_sample(name))).convert("RGB")


@pytest.fixture(scope="module")
def over(weave, need):
    """How much more woven a rocket as The Starry Night is than The Starry Night."""
    style = sample("starry_night.jpg")
    small = style.resize((SIZE, SIZE * style.height // style.width), Image.Resampling.LANCZOS)

    def measure(**options):
        need("torch")
        fixed = {"size": SIZE, "steps": STEPS, "backend": "torch", "weights": "embedded"}
        result = nst.stylize(sample("rocket.jpg"), style, **fixed, **options)
        return [found - wanted for found, wanted in zip(weave(result), weave(small), strict=True)]

    return measure


@pytest.mark.slow
def test_a_result_is_no_more_woven_than_a_painting(over):
    fine, coarse = over()
    assert fine < 5
    assert coarse < 2.5


@pytest.mark.slow
def test_without_noise_it_is(over):
    """Or the test above would hold nothing."""
    fine, coarse = over(octave_noise=0)
    assert fine > 6
    assert coarse > 3


def test_the_figure_of_a_weave(weave):
    """Two pictures of waves of a period of 3 px: across as one, diagonal as the other."""
    import numpy as np

    rows, columns = np.indices((192, 192))
    across = np.cos(2 * np.pi * columns / 3) + np.cos(2 * np.pi * rows / 3)
    slanted = np.cos(2 * np.pi * (columns + rows) / (3 * np.sqrt(2)))
    grain = np.random.default_rng(0).standard_normal((192, 192))
    for lines, least, most in ((across, 15, 90), (slanted, -90, -15), (grain, -1, 1)):
        picture = Image.fromarray(np.uint8(np.clip(128 + 30 * lines, 0, 255)))
        assert least < weave(picture)[1] < most
    assert -1 < weave(Image.fromarray(np.uint8(np.clip(128 + 30 * grain, 0, 255))))[0] < 1
