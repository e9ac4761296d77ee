"""How a value shows itself: a line in a console, a small table in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from html import escape

LEFT = 'style="text-align:left"'


class ReprHtml(ABC):
    """Shows itself by names and values for people."""

    @abstractmethod
    def _repr_rows(self) -> Mapping[str, str]:
        """Names and values, in order."""

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self._repr_rows().items())
        return f"{type(self).__name__}({told})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th {LEFT}>{escape(name)}</th><td {LEFT}>{escape(value)}</td></tr>"
            for name, value in self._repr_rows().items()
        )
        return f"<table><caption><b>{type(self).__name__}</b></caption>{rows}</table>"
