"""The network inside the package: whitened random features, fitted to procedural pictures.

Nobody trained it: see `nst.models.embedded.whitening` for how it comes about, docs/networks.md for what
it can do.
"""

from __future__ import annotations

from pathlib import Path

from nst.models.weights import NetworkWeights, load_weights

__all__ = ["load_embedded"]


def load_embedded() -> NetworkWeights:
    """The packaged network: VGG19's topology at half width, conv1_1 to conv5_1, input sRGB [0, 1].

    Raises:
        WeightsError: the packaged file is missing or damaged, so the installation is.
    """
    return load_weights(Path(__file__).with_name("whitened.safetensors"))
