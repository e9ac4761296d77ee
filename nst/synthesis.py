"""The paper's two halves on their own: a texture without content, a content without style.

Texture synthesis: Gatys, Ecker, Bethge, *Texture Synthesis Using Convolutional Neural Networks*, NIPS 2015. Content
inversion: Mahendran, Vedaldi, *Understanding Deep Image Representations by Inverting Them*, CVPR 2015; Gatys et al.
2016, figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from nst.arguments import AnyDtype, AnyTensor, File, InvertArguments, TextureArguments, with_present_names
from nst.control import CONTROLS, control_among
from nst.errors import SettingsError
from nst.pictures.kinds import from_any
from nst.pictures.picture import fit_longest_side
from nst.settings import MAX_PIXELS, LayerSpec, require_known
from nst.transfer import ARGUMENTS, StyleTransfer

if TYPE_CHECKING:
    from typing_extensions import Unpack

Size: TypeAlias = int | tuple[int, int] | None


@overload
def texture(
    style: File | Sequence[File], size: Size = None, **options: Unpack[TextureArguments]
) -> Image: ...
@overload
def texture(
    style: NDArray[AnyDtype] | Sequence[NDArray[AnyDtype]],
    size: Size = None,
    **options: Unpack[TextureArguments],
) -> NDArray[AnyDtype]: ...
@overload
def texture(
    style: AnyTensor | Sequence[AnyTensor], size: Size = None, **options: Unpack[TextureArguments]
) -> AnyTensor: ...
@overload
def texture(style: Sequence[Any], size: Size = None, **options: Unpack[TextureArguments]) -> Any: ...
def texture(style: Any, size: Size = None, **options: Unpack[TextureArguments]) -> Any:
    """A new picture with the texture of `style` and nothing else, of the same kind as the (first) style picture.

    `padding="circular"` makes a tile that repeats without a seam; its sides are rounded to whole positions of the
    deepest layer (16 pixels at conv5_1).

    Args:
        style: a picture, or a list of several, as `StyleTransfer` takes them.
        size: (width, height) of the result in pixels; a number for the longest side of the (first) style's shape; None
            for its size.
        options: as `StyleTransfer`. `init` is "noise"; `style_scale` None is the style's own size, or the result's
            if that is smaller.

    Raises:
        NSTError: as `StyleTransfer`.

    Examples:
        >>> nst.texture(style, size=(32, 16), steps=2).shape
        (16, 32, 3)
    """
    arguments = with_present_names(options)
    require_known(arguments, ARGUMENTS | CONTROLS)
    control, given = control_among(arguments)
    styles = list(style) if isinstance(style, (list, tuple)) else [style]
    arguments = texture_arguments(styles, size, given)
    _, restore = from_any(styles[0], *_limits(size, given))
    return restore(StyleTransfer(style=styles, **arguments)._paint_under(control).picture)


def texture_arguments(styles: Sequence[Any], size: Size, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `StyleTransfer` that `texture` stands for, but the styles.

    SettingsError: no style picture, or a size that is not above zero. ImageError: a style that cannot be read.
    """
    if not styles:
        raise SettingsError("no style picture: give at least one")
    pictures = [from_any(style, *_limits(size, options))[0] for style in styles]
    if isinstance(size, int):
        size = fit_longest_side(*pictures[0].size, size) if size > 0 else (size, size)
    width, height = size or pictures[0].size
    if not (0 < width <= 65536 and 0 < height <= 65536):
        raise SettingsError(f"size is {width}x{height}: give 1 to 65536 pixels for each side")
    arguments = {"style_scale": None, "init": "noise", **options}
    if arguments["style_scale"] is None:
        own = max(max(picture.size) for picture in pictures)
        arguments["style_scale"] = min(1.0, own / max(width, height))
    if isinstance(arguments["init"], str) and arguments["init"] == "content":  # of a preset: there is none
        arguments["init"] = "noise"
    blank = np.full((height, width, 3), 0.5, np.float32)
    return {**arguments, "content": blank, "content_layers": (), "size": "content"}


def _limits(size: Size, options: Mapping[str, Any]) -> tuple[int | None, int]:
    """The longest side that is needed of a style picture, and how many pixels may be held."""
    longest = max(size) if isinstance(size, tuple) else size
    return longest if longest is not None and longest > 0 else None, options.get("max_pixels", MAX_PIXELS)


@overload
def invert(content: File, layer: LayerSpec = ..., **options: Unpack[InvertArguments]) -> Image: ...
@overload
def invert(
    content: NDArray[AnyDtype], layer: LayerSpec = ..., **options: Unpack[InvertArguments]
) -> NDArray[AnyDtype]: ...
@overload
def invert(content: AnyTensor, layer: LayerSpec = ..., **options: Unpack[InvertArguments]) -> AnyTensor: ...
def invert(content: Any, layer: LayerSpec = "conv4_2", **options: Unpack[InvertArguments]) -> Any:
    """What a layer of the network keeps of a picture: another picture with the same features there.

    Args:
        content: a picture as `StyleTransfer` takes it.
        layer: "conv4_2", or several as for `content_layers`.
        options: as `StyleTransfer`, `init` being "noise" and `scales` 1.

    Raises:
        NSTError: as `StyleTransfer`.

    Examples:
        >>> nst.invert(content, layer="conv2_1", size=40, steps=2).shape
        (32, 40, 3)
    """
    named = with_present_names(options)
    require_known(named, {*ARGUMENTS, *CONTROLS, "layer"})
    control, given = control_among(named)
    # smaller sizes first would show more than the layer holds
    arguments: dict[str, Any] = {
        "init": "noise",
        "scales": 1,
        **given,
        "content_layers": layer,
        "style_layers": (),
    }
    return StyleTransfer(content, [], **arguments)._paint_under(control).image
