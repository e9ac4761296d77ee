"""A finished picture in other colours, without a step of the optimisation."""

from __future__ import annotations

from nst.cli.recoloring import with_color
from nst.cli.web.easel import THUMB, command_for, jpeg, masks_of, sized
from nst.cli.web.messages import Colored, Order
from nst.pictures.picture import Picture
from nst.pictures.writing import read_settings, to_pil, write_picture
from nst.progress import Output

__all__ = ["recolored"]


def recolored(order: Order, raw: Picture) -> Colored:
    """Write a picture and its thumbnail anew.

    Args:
        order: of the picture, with the new colours.
        raw: as the optimisation had it.

    Raises:
        NSTError: a file cannot be read or written.
    """
    path, color, longest = order.file("picture"), order.recipe.coloring, max(raw.size)
    document = with_color(read_settings(path), color)
    picture = Output(color, sized(order.photo, longest), to_pil, masks_of(order, longest)).finish(raw)
    write_picture(picture, path, document)
    order.file("thumb").write_bytes(jpeg(picture, THUMB))
    return Colored(order.session, order.run, command_for(document, path.name), jpeg(picture))
