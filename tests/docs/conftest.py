"""Runs as small as a test wants them, for code that is written for a reader's pictures."""

import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.batch.pool import InProcess
from nst.transfer import StyleTransfer


@pytest.fixture
def tiny(monkeypatch, weights_file):
    """Transfers of at most 40 pixels and 3 steps, with the small network, in numpy whatever a page asks for."""
    whole = StyleTransfer.__init__
    fixed = {"scales": 1, "backend": NumpyBackend(), "device": "cpu", "weights": weights_file}

    def limited(self, *pictures, size=None, steps=None, **options):
        size = size if size == "content" else min(size or 40, 40)
        steps = min(steps, 3) if isinstance(steps, int) else 3
        whole(self, *pictures, **{**options, **fixed, "size": size, "steps": steps})

    monkeypatch.setattr(StyleTransfer, "__init__", limited)
    monkeypatch.setattr("nst.batch.batch.ProcessPool", lambda jobs, timeout: InProcess(timeout))
    monkeypatch.setattr("nst.backends.get_backend", lambda *_: NumpyBackend())
