"""The networks that nst can fetch or make, as data: where, which hash, whose licence."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Source:
    """One file on one server."""

    url: str  # https
    digest: str  # "sha256:..." or "md5:...", as its publisher gives it; the whole of it, never a prefix
    size: int | None = None  # bytes, where published

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class Entry:
    """One network."""

    name: str  # what people type
    summary: str  # one line for people
    license: str  # of the weights
    attribution: str  # who is to be named
    convention: str = ""  # how its input is meant, a key of `nst.models.importers.CONVENTIONS`
    sources: tuple[Source, ...] = ()  # mirrors, tried in this order, each perhaps in another format
    needs: str = ""  # the package that reads their format, where it is an optional one
    made_from: str = ""  # the entry that it is computed from instead of downloaded, or "embedded"


_SIMONYAN = "Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford, 2014"


def _keras(network: str, digest: str, size: int) -> tuple[Source, ...]:
    """The Keras file without classifier, from its two servers; the digest is in `keras/src/applications`."""
    file = f"{network}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return (
        Source(
            f"https://storage.googleapis.com/tensorflow/keras-applications/{network}/{file}", digest, size
        ),
        Source(
            f"https://github.com/fchollet/deep-learning-models/releases/download/v0.1/{file}", digest, size
        ),
    )


CATALOGUE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            name="vgg19",
            summary="the original VGG19, the paper's own network (80 MB)",
            license="CC BY 4.0",
            attribution=f"{_SIMONYAN}; converted by the Keras developers",
            convention="caffe",
            sources=_keras("vgg19", "md5:253f8cb515780f3b799900260a226db6", 80_134_624),
            needs="h5py",
        ),
        Entry(
            name="vgg19-torchvision",
            summary="VGG19 as the PyTorch team trained it anew (575 MB to fetch, 80 MB kept)",
            license="BSD-3-Clause",
            attribution="the torchvision developers",
            convention="torchvision",
            sources=(
                Source(
                    "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
                    "sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
                    574_673_361,
                ),
                Source(
                    "https://huggingface.co/timm/vgg19.tv_in1k/resolve/main/model.safetensors",
                    "sha256:11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
                ),
            ),
        ),
        Entry(
            name="vgg19-normalised",
            summary="vgg19 with the mean activation of every channel scaled to 1 (made here from vgg19)",
            license="CC BY 4.0",
            attribution=f"{_SIMONYAN}; rescaled by nst",
            made_from="vgg19",
        ),
        Entry(
            name="vgg19-embedded-normalised",
            summary="the embedded vgg19 with the mean activation of every channel scaled to 1 (made here, ten seconds)",
            license="CC BY 4.0",
            attribution=f"{_SIMONYAN}; weights clustered to 256 values, rescaled by nst",
            made_from="embedded",
        ),
        Entry(
            name="vgg19-torchvision-normalised",
            summary="vgg19-torchvision with the mean activation of every channel scaled to 1 (made here from it)",
            license="BSD-3-Clause",
            attribution="the torchvision developers; rescaled by nst",
            made_from="vgg19-torchvision",
        ),
        Entry(
            name="vgg16",
            summary="the original VGG16, three convolutions fewer than VGG19 (59 MB)",
            license="CC BY 4.0",
            attribution=f"{_SIMONYAN}; converted by the Keras developers",
            convention="caffe",
            sources=_keras("vgg16", "md5:6d6bbae143d832006294945121d1f1fc", 58_889_256),
            needs="h5py",
        ),
        Entry(
            name="vgg16-torchvision",
            summary="VGG16 as the PyTorch team trained it anew (553 MB to fetch, 59 MB kept)",
            license="BSD-3-Clause",
            attribution="the torchvision developers",
            convention="torchvision",
            sources=(
                # its publisher gives the first eight digits, in the file's name; the others are those that
                # several public programs check what they have downloaded against
                Source(
                    "https://download.pytorch.org/models/vgg16-397923af.pth",
                    "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                    553_433_881,
                ),
            ),
        ),
    )
}
