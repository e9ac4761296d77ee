"""A painter in a process of its own: `python -m nst.batch.worker`, which `nst.batch.workers` starts.

Pickles come in by stdin: first the arguments of `Painter`, then rows. Pickles go out by stdout: what `Painter.paint`
yields.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

__all__ = ["main"]

PACE = 0.1  # seconds between two words about one row


def main() -> None:
    """Paint what comes in until nothing more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    rows: SimpleQueue[Any] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                rows.put(pickle.load(sys.stdin.buffer))
        except (EOFError, OSError):
            os._exit(0)  # nobody is there any more, be a picture half painted

    threading.Thread(target=listen, daemon=True).start()
    from nst.batch.painter import Painter

    painter, told = Painter(**rows.get()), 0.0
    while True:
        for answer in painter.paint(rows.get()):
            if not isinstance(answer, float) or time.monotonic() - told > PACE:
                told = time.monotonic()
                pickle.dump(answer, answers)
                answers.flush()


if __name__ == "__main__":
    main()
