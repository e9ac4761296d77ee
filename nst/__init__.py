"""Neural style transfer (Gatys, Ecker, Bethge, CVPR 2016) for every deep-learning stack.

    import nst
    result = nst.stylize(content, style, backend="torch", steps=200)

takes PIL images, numpy arrays, `torch.Tensor` or `tf.Tensor` and returns the same kind. `nst.StyleTransfer`
gives the loop itself. Importing nst loads no framework, and what follows is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

from nst._version import __version__

if TYPE_CHECKING:
    from nst import plot as plot
    from nst.backends import get_backend
    from nst.batch import Batch
    from nst.description import settings_of
    from nst.engine.cache import Cache
    from nst.errors import BackendError, ImageError, NSTError, SettingsError, WeightsError
    from nst.models.store.resolve import resolve_weights
    from nst.optim import LBFGS, Adam
    from nst.presets import preset
    from nst.progress import Losses, Progress
    from nst.result import Result
    from nst.settings import Settings
    from nst.synthesis import invert, texture
    from nst.transfer import StyleTransfer, stylize
    from nst.workers import Devices

__all__ = [
    "LBFGS",
    "Adam",
    "BackendError",
    "Batch",
    "Cache",
    "Devices",
    "ImageError",
    "Losses",
    "NSTError",
    "Progress",
    "Result",
    "Settings",
    "SettingsError",
    "StyleTransfer",
    "WeightsError",
    "__version__",
    "get_backend",
    "invert",
    "preset",
    "resolve_weights",
    "settings_of",
    "stylize",
    "texture",
]

_HOME = {
    **dict.fromkeys(
        ("BackendError", "ImageError", "NSTError", "SettingsError", "WeightsError"), "nst.errors"
    ),
    **dict.fromkeys(("Losses", "Progress"), "nst.progress"),
    "Result": "nst.result",
    "StyleTransfer": "nst.transfer",
    "stylize": "nst.transfer",
    **dict.fromkeys(("LBFGS", "Adam"), "nst.optim"),
    "Batch": "nst.batch",
    "Devices": "nst.workers",
    "Settings": "nst.settings",
    "Cache": "nst.engine.cache",
    "get_backend": "nst.backends",
    "preset": "nst.presets",
    "settings_of": "nst.description",
    "resolve_weights": "nst.models.store.resolve",
    **dict.fromkeys(("invert", "texture"), "nst.synthesis"),
}


_RENAMED = {"Workshop": "Cache"}
"""Names of before, which are there for one more release -> the names of today."""


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warn(f"nst.{name} is now nst.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name == "plot":  # which needs matplotlib: no part of `from nst import *`
        return import_module("nst.plot")
    if name not in _HOME:
        raise AttributeError(f"module 'nst' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "plot"]
