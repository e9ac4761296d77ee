"""The pictures that `pictures/drawing` draws, for scripts beside this file."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).with_name("pictures")))
from drawing.harbour import draw_harbour, paint_strokes

__all__ = ["draw_harbour", "paint_strokes"]
