"""Loading a backend without the chatter of its framework."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nst.protocol import Backend

__all__ = ["load_backend"]


def load_backend(name: str, device: str, precision: str | None = None) -> Backend[Any]:
    """A backend whose network computes in `precision` (or "auto"), silent unless it fails."""
    from nst._autotune import backend_in

    with _quiet_stderr():
        return backend_in(name, device, precision)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what C++ libraries write to file descriptor 2; show it when something unforeseen is raised.

    TensorFlow logs to stderr at import before any setting of its own can stop it.
    """
    from nst.errors import NSTError

    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except NSTError:
            raise
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
