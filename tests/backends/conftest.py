"""What the tests of backends share."""

from importlib import import_module

import pytest


@pytest.fixture
def torch(need):
    need("torch")
    return import_module("torch")
