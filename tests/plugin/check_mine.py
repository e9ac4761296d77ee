"""The author's own test: one class, one method. Needs the package to be installed (see tests/test_plugin.py of nst)."""

from nst_mine import MineBackend

from nst.conformance import BackendConformance


class TestMine(BackendConformance):
    def backend(self):
        return MineBackend()
