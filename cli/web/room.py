"""What all of the server knows: the sessions, the pages that show them, and what paints."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from nst.cli.web.audience import Audience
from nst.cli.web.backroom import Backroom
from nst.cli.web.document import document_of
from nst.cli.web.messages import Ready
from nst.cli.web.process import Painter
from nst.cli.web.session import Session, Store

__all__ = ["Room"]


class Room:
    """See the module. Everything happens in the one thread of the server.

    Args:
        store: of the sessions.
        size: longest side of a live picture in pixels.
        live: the process that paints live.
        backroom: where large pictures are painted.
    """

    def __init__(self, store: Store, size: int, live: Painter, backroom: Backroom) -> None:
        self.store, self.size, self.live, self.backroom = store, size, live, backroom
        self.audience = Audience()
        self.ready: Ready | None = None

    @property
    def quiet(self) -> bool:
        """Whether no live picture is under way."""
        return not any(session.work.state in ("painting", "waiting") for session in self.store)

    def put(self, session: Session) -> Session:
        """Keep what a session is now."""
        with suppress(OSError):  # a disk that is full: the pages are told all the same
            return self.store.put(session)
        return session

    def show(self, session: Session) -> Session:
        """Keep what a session is now, and tell its pages."""
        session = self.put(session)
        self.tell(session)
        return session

    def tell(self, session: Session) -> None:
        """Tell the pages of a session how it is now."""
        now = self.store.get(session.name) or session
        self.audience.say(now, "state", self.document(now))

    def document(self, session: Session) -> dict[str, Any]:
        """A session for its page."""
        return document_of(session, self.backroom.places(session.name), self.ready)
