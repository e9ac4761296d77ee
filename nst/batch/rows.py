"""The rows of a batch: which content in which style, with what options, and where the result goes."""

from __future__ import annotations

import codecs
import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any, TypeAlias

from nst.errors import ImageError, SettingsError, told_as
from nst.pictures.opening import suffixes

TEMPLATE = "{content}-{style}.png"

FIELDS = ("content", "style", "folder", "suffix", "number")


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
    """Rows of one style each, with the same options; see `expand`, `pairs` and `named`.

    SettingsError: nothing to paint, one to one of different numbers, or a wrong name. ImageError: something that is not
    there.
    """
    chosen = pairs(expand(contents), expand(styles), one_to_one)
    return [
        Row(content, (style,), named(name, content, (style,), number), options)
        for number, (content, style) in enumerate(chosen, start=1)
    ]


def pairs(contents: Sequence[str], styles: Sequence[str], one_to_one: bool) -> list[tuple[str, str]]:
    """Every content in every style, style after style; or the first in the first, the second in the second.

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
        template: with {content} and {style} (names without their extension), {folder} (that the content is in),
            {suffix} (of the content, with its dot) and {number}, in the manner of Python's `str.format`.
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
        "suffix": Path(content).suffix,
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
    """SettingsError if a result takes the place of another one or of an input, or leaves the folder."""
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
            apart = [f"{{{name}}}" for name in ("folder", "suffix") if _differ(name, row, other)]
            raise SettingsError(
                f"{ours} would be {row.output}, as {theirs}: use a name with {' or '.join([*apart, '{number}'])}"
            )


def _differ(field: str, *rows: Row) -> bool:
    """Whether a field of `named` tells two results apart."""
    return len({named(f"{{{field}}}", row.content, row.styles, 0).casefold() for row in rows}) > 1


Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def expand(words: Paths) -> list[str]:
    """The pictures that are meant, each once, in order.

    Words are pictures; folders, whose pictures are taken in natural order (2 before 10), without those in folders
    inside; patterns such as "photos/**/*.jpg"; and "@list.txt", a file with one of these a line. ImageError: a list, a
    folder or a pattern without a picture, or a path that is not there.
    """
    found: dict[str, str] = {}
    for word in [words] if isinstance(words, (str, os.PathLike)) else words:
        for path in _expanded(os.fspath(word)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def text_in(data: bytes, errors: str = "strict") -> str:
    """UTF-8, or what Windows' programs call Unicode: UTF-16 with its mark.

    UnicodeDecodeError: it is neither, and `errors` are "strict".
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig", errors)


def _lines_of(path: str) -> list[str]:
    """The lines of a list, without those that are empty or begin with #; ImageError if it cannot be read."""
    with told_as(ImageError, f"cannot read the list {path}", "check the name"):
        text = text_in(Path(path).read_bytes(), "surrogateescape")
    if "\0" in text:
        raise ImageError(f"cannot read the list {path}: there is a NUL in it, which no name has")
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def beside(path: str, listed_in: str) -> str:
    """A path in a list: as it is, or else beside the list; with its accents as one sign or as two."""
    if not path:
        return path
    spelt = dict.fromkeys((path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))))
    places = (place for name in spelt for place in (name, str(Path(listed_in).parent / name)))
    return next((place for place in places if os.path.exists(place)), path)


def _expanded(word: str) -> list[str]:
    if word.startswith("@"):
        found = []
        for line in _lines_of(word[1:]):
            near = beside(line, word[1:])
            # a picture that is gone is one failure of a list, and not its end
            found += _expanded(near) if os.path.isdir(near) or glob.has_magic(near) else [near]
        if not found:
            raise ImageError(f"the list {word[1:]} is empty: give a path a line")
        return found
    if os.path.isdir(word):
        found = _pictures(str(path) for path in Path(word).iterdir())
        if not found:
            raise ImageError(f"there is no picture in the folder {word}")
        return found
    if os.path.exists(word):  # which is False too of a name that is too long
        return [word]
    if glob.has_magic(word):
        found = _pictures(glob.glob(word, recursive=True))
        if not found:
            raise ImageError(f"no picture fits {word}: check the pattern")
        return found
    raise ImageError(f"cannot read {word}: no such file or folder; check the name")


def _pictures(paths: Iterable[str]) -> list[str]:
    known = suffixes()
    found = [
        path
        for path in paths
        if Path(path).suffix.lower() in known and not Path(path).name.startswith(".") and Path(path).is_file()
    ]
    return sorted(found, key=lambda path: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", path)])
