"""A result that is on the disk, in other colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst.cli.like import absent, read_picture_settings
from nst.cli.options import masks_by_name
from nst.description import settings_in
from nst.errors import ImageError, SettingsError
from nst.pictures.color import Color
from nst.pictures.masks import make_masks
from nst.pictures.picture import Picture, resize
from nst.pictures.reading import read_picture
from nst.pictures.subjects import with_found
from nst.pictures.writing import to_pil
from nst.progress import Output


def recolored(
    path: str, content: str | None, color: Color
) -> tuple[Picture, Mapping[str, Any] | None, str | None]:
    """A result as its run would have finished it with other colours; its metadata, if any; a line for people.

    The photograph is the one in the metadata unless `content` is given. SettingsError: it is neither. ImageError: a
    picture that cannot be read.
    """
    result, document = read_picture(path), _metadata(path)
    found = document.get("settings", {})
    command = {"name": "recolor", "result": path, "color": color.mode, "color_strength": color.strength}
    command |= {"content": content} if content else {}
    content = content or found.get("content")
    if not content:
        raise SettingsError(f"{path} does not say which photograph it was painted from: give --content")
    if "content" not in command and ("CONTENT", content) in absent(document, path):
        raise ImageError(
            f"{content}, from which {path} was painted, is neither here nor beside it: give --content"
        )
    longest = max(result.size)
    photograph = read_picture(content, longest)
    masks: Any = None
    feather = 0.0
    if found.get("masks", {}).get("protect"):
        feather = float(found.get("feather", 0.0))
        masks = with_found(masks_by_name({"protect": found["masks"]["protect"]}), photograph)
        masks = make_masks(masks, 1, feather, longest)
    before = settings_in(document) if found else None
    own = Color() if before is None else Color(before.color, before.color_strength, before.color_when)
    picture = Output(color, resize(photograph, *result.size), to_pil, masks).finish(result)
    if not found:
        return picture, None, None
    described = {**document, "settings": {**found, "content": content}, "command": command}
    if own.active:
        line = f"{path} has been painted with --color {own.mode}: its colours were changed twice"
        return picture, described, line
    return picture, with_color(described, color), None


def with_color(document: Mapping[str, Any], color: Color) -> dict[str, Any]:
    """Metadata or a trace, of a run with other colours."""
    changed = {"color": color.mode, "color_strength": color.strength, "color_when": color.when}
    return {**document, "settings": {**document["settings"], **changed}}


def _metadata(path: str) -> dict[str, Any]:
    """Those of nst; none of any other picture."""
    try:
        return read_picture_settings(path)
    except ImageError:
        return {}
