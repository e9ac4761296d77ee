"""Docstrings that are worked out when a module is imported, for the site: those of `nst.settings.Settings`."""

from __future__ import annotations

import inspect
from typing import Any

import griffe

from nst.settings import Settings


class WorkedOut(griffe.Extension):
    """Gives the reference the text that `help` shows."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Of `Settings`; the source alone has no `Attributes:`."""
        if cls.path == "nst.settings.Settings" and cls.docstring is not None:
            cls.docstring.value = inspect.cleandoc(Settings.__doc__ or "")
