"""The backends: one folder a framework, with the same file names in each; importing this loads none of them."""

from nst.backends.registry import backend_names, get_backend

__all__ = ["backend_names", "get_backend"]
