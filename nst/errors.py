"""Errors that a caller can cause: one line each, that names the cause and the fix.

The command line prints such an error without a traceback and exits with status 2.
"""


class NSTError(Exception):
    """Base of every error that nst raises on purpose."""


class BackendError(NSTError):
    """A backend that is not installed, a device that is not there, a data type it lacks."""


class ImageError(NSTError):
    """A picture that cannot be read, written or used."""


class SettingsError(NSTError, ValueError):
    """A setting outside its range: an unknown layer, a negative weight, no style picture."""


class WeightsError(NSTError):
    """A weight file that is missing, damaged or no VGG."""
