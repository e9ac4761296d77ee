"""Server-sent events: what a page is told while it is open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

__all__ = ["Mailbox"]

BREATH = 15.0
"""Seconds without news after which a line is sent all the same, so that a connection that is dead is noticed."""


class Mailbox:
    """What one page has not been told yet; of each kind of news the latest, so that a slow page lags by one."""

    def __init__(self) -> None:
        self._news: dict[str, Any] = {}
        self._there = asyncio.Event()
        self.closed = False

    def put(self, kind: str, news: Any) -> None:
        """Tell the page."""
        self._news.pop(kind, None)
        self._news[kind] = news
        self._there.set()

    def close(self) -> None:
        """The server ends."""
        self.closed = True
        self._there.set()

    async def lines(self) -> AsyncIterator[str]:
        """The stream; see the HTML standard, section 9.2."""
        yield "retry: 1000\n\n"
        while not self.closed:
            try:
                await asyncio.wait_for(self._there.wait(), BREATH)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            self._there.clear()
            news, self._news = self._news, {}
            for kind, document in news.items():
                yield f"event: {kind}\ndata: {json.dumps(document)}\n\n"
