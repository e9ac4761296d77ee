"""What the tests of backends share."""

from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture
def torch(need):
    need("torch")
    return import_module("torch")


@pytest.fixture(scope="session")
def pretended(need):
    """pretended(): two CUDA devices that are none, see `tests/pretended_cuda.py`."""
    need("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1])
        return import_module("pretended_cuda").pretended
