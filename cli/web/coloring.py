"""A finished picture in other colours, without a step of the optimisation."""

from __future__ import annotations

from pathlib import Path

from nst.cli.web.bench import THUMB, command_for, jpeg, sized
from nst.cli.web.messages import Colored, Order
from nst.pictures.masks import make_masks
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
    path = Path(order.folder) / f"picture-{order.run}.png"
    document = read_settings(path)
    color = order.recipe.coloring
    document["settings"] = {**document["settings"], "color": color.mode, "color_strength": color.strength}
    longest = max(raw.size)
    arguments = order.recipe.arguments(len(order.styles), longest, masked=True)
    masks = make_masks(dict(order.masks), len(order.styles), arguments["feather"])
    picture = Output(color, sized(order.photo, longest), to_pil, masks).finish(raw)
    write_picture(picture, path, document)
    path.with_name(f"thumb-{order.run}.jpg").write_bytes(jpeg(picture, THUMB))
    return Colored(order.session, order.run, command_for(document, path.name), jpeg(picture))
