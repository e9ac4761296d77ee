"""The rows of a batch: which content in which style, with what options, and where the result goes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

from nst.batch.listing import Paths, expand
from nst.errors import SettingsError

__all__ = ["TEMPLATE", "Row", "check_outputs", "named", "paired_rows", "pairs"]

TEMPLATE = "{content}-{style}.png"

FIELDS = ("content", "style", "folder", "number")


@dataclass(frozen=True)
class Row:
    """One picture to paint.

    Attributes:
        content: path of the content picture.
        styles: paths of the style pictures, which are blended.
        output: path of the result inside the folder of the batch.
        options: further arguments of `nst.StyleTransfer`.

    Examples:
        >>> Row("a.jpg", ("monet.jpg", "klimt.jpg"), "both.png", {"steps": 100}).output
        'both.png'
    """

    content: str
    styles: tuple[str, ...]
    output: str
    options: Mapping[str, Any] = field(default_factory=dict)


def paired_rows(
    contents: Paths, styles: Paths, one_to_one: bool, name: str, options: Mapping[str, Any]
) -> list[Row]:
    """Rows of one style each, with the same options.

    Args:
        contents: see `nst.batch.listing.expand`.
        styles: the same.
        one_to_one: see `pairs`.
        name: of a result, see `named`.
        options: of every row.

    Raises:
        SettingsError: nothing to paint, one to one of different numbers, or a wrong name.
        ImageError: something that is not there.
    """
    chosen = pairs(expand(contents), expand(styles), one_to_one)
    return [
        Row(content, (style,), named(name, content, (style,), number), options)
        for number, (content, style) in enumerate(chosen, start=1)
    ]


def pairs(contents: Sequence[str], styles: Sequence[str], one_to_one: bool) -> list[tuple[str, str]]:
    """Every content in every style, style after style; or the first in the first, the second in the second.

    Raises:
        SettingsError: nothing to paint, or one to one of different numbers.
    """
    if not contents or not styles:
        raise SettingsError(f"no {'style' if contents else 'content'} picture: give at least one")
    if not one_to_one:
        return [(content, style) for style in styles for content in contents]
    if len(contents) != len(styles):
        raise SettingsError(f"{len(contents)} contents and {len(styles)} styles make no pairs: give as many")
    return list(zip(contents, styles, strict=True))


def named(template: str, content: str, styles: Sequence[str], number: int) -> str:
    """The name of a result.

    Args:
        template: with {content} and {style} (names without their extension), {folder} (that the content is in) and
            {number}, in the manner of Python's `str.format`.
        content: path.
        styles: paths; several are put together by "+".
        number: of the row, from 1.

    Raises:
        SettingsError: another field, or braces that do not match.
    """
    values = {
        "content": Path(content).stem,
        "style": "+".join(Path(style).stem for style in styles),
        "folder": Path(content).resolve().parent.name,
        "number": number,
    }
    try:
        unknown = [name for _, name, _, _ in Formatter().parse(template) if name not in (None, *FIELDS)]
        if unknown:
            raise ValueError(f"no field {{{unknown[0]}}}")
        return template.format(**values)
    except (ValueError, TypeError) as error:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise SettingsError(f"the name {template!r}: {error}; choose from {known}") from None


def check_outputs(rows: Iterable[Row], folder: Path) -> None:
    """No result takes the place of another one or of an input, and none leaves the folder.

    Raises:
        SettingsError: one does.
    """
    rows = list(rows)
    taken: dict[str, Row] = {}
    inputs = {os.path.realpath(path) for row in rows for path in (row.content, *row.styles)}
    if os.path.realpath(folder) in {os.path.dirname(path) for path in inputs}:
        raise SettingsError(f"results in {folder} would be among the pictures there: use another folder")
    for row in rows:
        path = Path(row.output)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise SettingsError(f"the result {row.output!r} is not inside {folder}: give a name")
        # file systems that do not tell capitals from small letters would
        other = taken.setdefault(os.path.normpath(row.output).casefold(), row)
        if other is not row:
            ours, theirs = (" and ".join((one.content, *one.styles)) for one in (row, other))
            raise SettingsError(
                f"{ours} would be {row.output}, as {theirs}: use a name with {{folder}} or {{number}}"
            )
