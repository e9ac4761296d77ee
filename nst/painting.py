"""A style transfer in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from numpy.typing import NDArray
from PIL.Image import Image

from nst.arguments import AnyDtype, AnyTensor, File, StylizeArguments
from nst.control import CONTROLS, control_among
from nst.engine.workshop import Workshop
from nst.fields import require_known
from nst.pictures.batches import pictures_of_batch
from nst.transfer import ARGUMENTS, StyleTransfer

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["stylize"]


@overload
def stylize(content: File, style: Any, **options: Unpack[StylizeArguments]) -> Image: ...
@overload
def stylize(
    content: NDArray[AnyDtype], style: Any, **options: Unpack[StylizeArguments]
) -> NDArray[AnyDtype]: ...
@overload
def stylize(content: AnyTensor, style: Any, **options: Unpack[StylizeArguments]) -> AnyTensor: ...
def stylize(content: Any, style: Any, **options: Unpack[StylizeArguments]) -> Any:
    """Paint `content` in the style of `style`; the result is of the same kind as `content`.

    Takes the arguments of `StyleTransfer` and of `StyleTransfer.paint`: `callback`, `progress`, `cancel`, and
    `deadline`, the seconds from this call on, setting up included. A run that is ended by one of the last two
    gives the picture so far at its full size; `StyleTransfer.paint` tells how far it came. A batch (N, ...) of
    contents becomes a batch of results, each as if it were painted alone; a deadline is shared out among them.

    Raises:
        NSTError: as `StyleTransfer`.

    Examples:
        >>> painted = nst.stylize(content, style, size="content", steps=3)
        >>> painted.shape, painted.dtype
        ((32, 40, 3), dtype('uint8'))
    """
    require_known(options, ARGUMENTS | CONTROLS)
    control, arguments = control_among(options)
    batch = pictures_of_batch(content)
    if batch is None:
        return StyleTransfer(content, style, **arguments).paint_under(control).image
    pictures, stack = batch
    results: list[Any] = []
    arguments["workshop"] = arguments.get("workshop") or Workshop()
    for done, picture in enumerate(pictures):
        share = control if control.left is None else control.renewed(control.left / (len(pictures) - done))
        transfer = StyleTransfer(picture, style, **arguments)
        arguments |= {"backend": transfer.backend, "weights": transfer.weights}
        results.append(transfer.paint_under(share).image)
    return stack(results)
