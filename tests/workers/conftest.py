"""One picture in six windows, and the result of this process alone, for every kind of worker."""

import numpy as np
import pytest

import nst

OPTIONS = {
    "backend": "numpy",
    "style_layers": "conv1_1,conv2_1,conv3_1",
    "content_layers": "conv3_2",
    "tile": 96,  # conv3_2 needs 2 x 16 pixels and a position around: 2 x 3 windows
    "size": "content",
    "scales": 1,
    "steps": 3,
}


def picture(seed, height, width):
    """(H, W, 3) uint8: waves and noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.outer(np.arange(height), rng.random(3))[:, None] + np.arange(width)[:, None] / 9)
    return (np.clip(0.5 + 0.3 * waves + 0.1 * rng.standard_normal(waves.shape), 0, 1) * 255).astype(np.uint8)


CONTENT, STYLE = picture(1, 131, 203), picture(2, 90, 120)


def transfer(network, **options):
    return nst.StyleTransfer(CONTENT, STYLE, weights=network, **{**OPTIONS, **options})


@pytest.fixture(scope="session")
def alone(small_network):
    """The result of this process."""
    return transfer(small_network).run()
