"""Docstrings that are worked out when a module is imported, for the site: `nst.Settings`, arguments of `stylize`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import griffe

from nst.arguments import StylizeArguments
from nst.control import Control
from nst.settings import Settings, rule_of
from nst.transfer import StyleTransfer


class WorkedOut(griffe.Extension):
    """Gives the reference the text that `help` shows, and more."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Of `Settings`; the source alone has no `Attributes:`."""
        if cls.path == "nst.settings.Settings" and cls.docstring is not None:
            cls.docstring.value = inspect.cleandoc(Settings.__doc__ or "")

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Of `stylize`, whose arguments stand in a type and in three places."""
        if func.path == "nst.transfer.stylize" and func.docstring is not None:
            text, raises, rest = func.docstring.value.partition("Raises:")
            table = "\n".join(argument_rows())
            func.docstring.value = f"{text}{table}\n\n{raises}{rest}"


def argument_rows() -> Iterator[str]:
    """A table of what `stylize` takes by name, each with its default and what it is."""
    told = {**_explained(Control), **_explained(StyleTransfer)}
    parameters = inspect.signature(StyleTransfer).parameters
    yield from ("| argument | default | |", "|---|---|---|")
    for name in StylizeArguments.__annotations__:
        if name in told:
            source = parameters.get(name) or inspect.signature(Control).parameters[name]
            default, text = source.default, told[name]
        else:
            declared = Settings.__dataclass_fields__[name]
            default, text = getattr(Settings(), name), rule_of(declared).help
        yield f"| `{name}` | `{default!r}` | {text.replace('|', chr(92) + '|')} |"


def _explained(cls: type) -> dict[str, str]:
    """What the docstring of a class says of its arguments or attributes."""
    found = re.split(r"\n(?:Args|Attributes):\n", inspect.cleandoc(cls.__doc__ or ""))[1].split("\n\n")[0]
    return {
        name: " ".join(text.split())
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", found, re.MULTILINE)
    }
