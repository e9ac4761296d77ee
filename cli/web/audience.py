"""The pages that are open, and what each of them is told."""

from __future__ import annotations

import base64
from typing import Any

from nst.cli.web.messages import Preview
from nst.cli.web.session import Session
from nst.cli.web.stream import Mailbox

__all__ = ["Audience"]


class Audience:
    """See the module."""

    def __init__(self) -> None:
        self._boxes: dict[str, set[Mailbox]] = {}
        self._shown: dict[str, dict[str, Any]] = {}  # the last preview of each session
        self._curves: dict[str, tuple[int, list[tuple[int, float]]]] = {}  # and losses by step, of which run

    def join(self, session: Session, document: Any) -> Mailbox:
        """A stream of news for a page; it begins with how things are."""
        box = Mailbox()
        self._boxes.setdefault(session.name, set()).add(box)
        box.put("state", document)
        run, curve = self._curves.get(session.name, (0, []))
        box.put("curve", {"run": run, "points": curve})
        if session.name in self._shown and session.work.state == "painting":
            box.put("preview", self._shown[session.name])
        return box

    def leave(self, session: Session, box: Mailbox) -> None:
        """The page is closed."""
        self._boxes.get(session.name, set()).discard(box)

    def hang_up(self) -> None:
        """End all streams."""
        for boxes in self._boxes.values():
            for box in boxes:
                box.close()

    def watches(self, session: Session) -> bool:
        """Whether a page is open."""
        return bool(self._boxes.get(session.name))

    def say(self, session: Session, kind: str, news: Any) -> None:
        """Tell all pages of a session."""
        for box in self._boxes.get(session.name, ()):
            box.put(kind, news)

    def begin(self, session: Session) -> None:
        """Another run: its curve begins anew."""
        self._curves[session.name] = session.work.run, []

    def preview(self, session: Session, event: Preview) -> None:
        """Show a picture on its way."""
        picture = "data:image/jpeg;base64," + base64.b64encode(event.jpeg).decode()
        held = {name: value for name, value in vars(event).items() if name not in ("jpeg", "start", "job")}
        self._shown[session.name] = {**held, "picture": picture}
        run, curve = self._curves.get(session.name, (0, []))
        if run == event.run:
            curve.append((event.step, event.loss))
        self.say(session, "preview", self._shown[session.name])
