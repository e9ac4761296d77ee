"""Which layers are read, and which sizes they allow.

Whole positions where a picture wraps around, and one position at least everywhere.

The network is not known yet when sizes are checked: halos are VGG19's, which are as wide as VGG16's or wider.
"""

from __future__ import annotations

from collections.abc import Sequence

from nst.encoding.windows import halo
from nst.engine.weights import FULL_WIDTH, losses_of
from nst.errors import SettingsError
from nst.losses.term import Loss
from nst.models import vgg
from nst.pictures.picture import Picture
from nst.settings import Settings

__all__ = ["check_sizes", "layers_read", "limiting_picture", "unit_of"]


def layers_read(settings: Settings, extra: Sequence[Loss]) -> tuple[str, ...]:
    """Every layer that a loss reads, one of the settings or of the caller's own, in network order.

    Raises:
        SettingsError: one of these reads a layer that does not exist.
    """
    read = {layer for loss in (*losses_of(settings, FULL_WIDTH), *extra) for layer in loss.layers}
    vgg.validate_layers(read)
    return tuple(layer for layer in vgg.LAYER_NAMES if layer in read)


def unit_of(layers: Sequence[str], padding: str) -> int:
    """What both sides of the result are multiples of, in pixels: a position of the deepest layer if it wraps around."""
    return vgg.minimum_size(layers) if padding == "circular" else 1


def limiting_picture(
    layers: Sequence[str], padding: str, content: Picture, styles: Sequence[Picture]
) -> tuple[int, int]:
    """The picture that limits the smallest scale: its shortest side, and the shortest that the layers allow."""
    sides = [(min(picture.size), least) for _, picture, least in _least(layers, padding, content, styles)]
    return min(sides, key=lambda pair: pair[0] / pair[1])


def check_sizes(layers: Sequence[str], padding: str, content: Picture, styles: Sequence[Picture]) -> None:
    """Every layer needs a position at least; circular padding must not wrap round twice, so it needs a halo.

    Raises:
        SettingsError: a picture is too small for the deepest layer.
    """
    for what, picture, least in _least(layers, padding, content, styles):
        if min(picture.size) < least:
            around = " with circular padding" if least > vgg.minimum_size(layers) else ""
            raise SettingsError(
                f"the {what} picture is {picture.width}x{picture.height} pixels here, "
                f"{layers[-1]} needs {least}x{least} at least{around}: use a larger size or style scale, "
                "a less narrow picture, or shallower layers"
            )


def _least(
    layers: Sequence[str], padding: str, content: Picture, styles: Sequence[Picture]
) -> list[tuple[str, Picture, int]]:
    """What each picture is, and the least that its shortest side may be."""
    smallest = vgg.minimum_size(layers)
    around = max(smallest, halo(layers)) if padding == "circular" else smallest
    return [("content", content, around), *(("style", style, smallest) for style in styles)]
