"""JSON that comes from a file: read within bounds, and held to what it must be before anything is done with it.

What it must be is written as a value of the same form: `str`, `int`, `float` (an integer too), `bool`, `None`; `[int]`
for a list of them; `{str: float}` for any names; `{"name": str, "seed?": int}` for these names, the second may be
missing; `(int, None)` for either; `object` for anything. What becomes a dataclass is held to its fields (`read_as`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST = 2**64


def parse(text: str | bytes) -> Any:
    """A document.

    ValueError: it is no JSON, or nested so deeply that nobody has written it by hand or by nst.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError("it is not text in UTF-8") from error


def read_json(text: str | bytes, form: Any) -> Any:
    """A document of a form, or ValueError."""
    document = parse(text)
    require(document, form)
    return document


def require(value: Any, form: Any, where: str = "") -> None:
    """ValueError for a value (of `parse`) of another form (see the module) than asked.

    It names what it is, `where`, and not its content, which may be long or worse.
    """
    if isinstance(form, tuple):
        if not any(_fits(value, one) for one in form):
            raise _wrong(where)
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise _wrong(where)
        for item in value:
            require(item, form[0], where)
    elif isinstance(form, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where)
        if str in form:
            for item in value.values():
                require(item, form[str], where)
            return
        for word, own in form.items():
            name = word.removesuffix("?")
            if name in value:
                require(value[name], own, f"{where}.{name}" if where else name)
            elif name == word:
                raise ValueError(f"{name} is missing")
    elif not _is(value, form):
        raise _wrong(where)


def read_as(kind: Any, value: Any, where: str = "") -> Any:
    """A value of `parse` as the type of a field has it: a dataclass is made of its fields.

    Those with defaults may be missing. ValueError: it is something else. What a dataclass itself refuses, it says.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        require(value, {one.name: object for one in fields(kind) if _needed(one)}, where)
        hints = get_type_hints(kind)
        if value.keys() <= hints.keys():
            made = {
                name: read_as(hints[name], item, f"{where}.{name}" if where else name)
                for name, item in value.items()
            }
            return kind(**made)  # type: ignore[operator]
    elif origin in (Union, UnionType):
        for one in inner:
            with suppress(ValueError):
                return read_as(one, value, where)
    elif origin in (tuple, Sequence):
        require(value, [object], where)
        kinds = [inner[0]] * len(value) if inner[1:] in ((), (...,)) else inner
        if len(kinds) == len(value):
            return tuple(read_as(one, item, where) for one, item in zip(kinds, value, strict=True))
    elif origin is Mapping:
        require(value, {str: object}, where)
        return {name: read_as(inner[1], item, where) for name, item in value.items()}
    elif origin is Literal:
        if isinstance(value, str) and value in inner:
            return value
    elif kind is Any or _is(value, None if kind is type(None) else kind):
        return value
    raise _wrong(where)


def _needed(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _fits(value: Any, form: Any) -> bool:
    try:
        require(value, form)
    except ValueError:
        return False
    return True


def _is(value: Any, kind: Any) -> bool:
    if kind is object:
        return True
    if kind is None or value is None or isinstance(value, bool):
        return value is None if kind is None else kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)
    if kind is int:
        return isinstance(value, int) and abs(value) <= LARGEST
    return isinstance(value, kind)


def _wrong(where: str) -> ValueError:
    return ValueError(f"{where or 'the document'} is not what it must be")
