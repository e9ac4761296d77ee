"""The author's own test: one class, one method. Needs the package to be installed (see tests/test_plugin.py of nst)."""

from nst.conformance import BackendConformance
from nst_mine import MineBackend


class TestMine(BackendConformance):
    def backend(self):
        return MineBackend()
