"""The network inside the package: the original VGG19 of Simonyan and Zisserman, conv1_1 to conv5_1, in 8 bits.

`nst.models.embedded.original` makes the file; NOTICE says whose it is.
"""

from __future__ import annotations

from pathlib import Path

from nst.models.weights import NetworkWeights, load_weights

__all__ = ["load_embedded"]


def load_embedded() -> NetworkWeights:
    """The packaged network: VGG19 to conv5_1 at full width, input BGR, 0 to 255, minus the ImageNet mean.

    Each layer's weights have 256 values; the file keeps 8-bit indices and tables. WeightsError: the packaged file is
    missing or damaged, so the installation is.
    """
    return load_weights(Path(__file__).with_name("vgg19.safetensors"))
