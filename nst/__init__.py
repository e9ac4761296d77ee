"""Neural style transfer (Gatys, Ecker, Bethge, CVPR 2016) for every deep-learning stack."""

from nst._version import __version__

__all__ = ["__version__"]
