"""JSON that comes from a file: read within bounds, and held to what it must be before anything is done with it.

What it must be is written as a value of the same form: `str`, `int`, `float` (an integer too), `bool`, `None`; `[int]`
for a list of them; `{str: float}` for any names; `{"name": str, "seed?": int}` for these names, the second may be
missing; `(int, None)` for either; `object` for anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

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
