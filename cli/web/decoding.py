"""Decoding what strangers have drawn, in a process of its own: bounded in memory and time, and it may die."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as TooLateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from nst.errors import ImageError, NSTError
from nst.pictures.picture import Picture, fit_longest_side, resize
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil
from nst.processes import ProcessExecutor

MEMORY = 1_500_000_000  # bytes that a decoder may take beyond what it has from the start

SECONDS = 300.0  # that a picture may take

VIEW = 1024  # longest side in pixels of what the page shows, and of a mask

PAINTING = 2048
"""Longest side in pixels of a painting that is kept: strokes are never asked for finer."""


class Decoder:
    """A process that decodes; it is started when it is first needed, and again when it has died."""

    def __init__(self) -> None:
        self._process: ProcessExecutor | None = None

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns there. NSTError: that it raised, or the picture takes too much."""
        if self._process is None:
            self.start()
        assert self._process is not None
        try:
            return self._process.submit(_bounded, function, *arguments).result(SECONDS)
        except (BrokenExecutor, TooLateError) as error:
            self.close()
            raise _too_much() from error

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.shutdown()

    def start(self) -> None:
        """Start the process."""
        self._process = ProcessExecutor()
        self._process.submit(_limit_memory)


def _too_much() -> ImageError:
    most = f"{MEMORY / 1e9:g} GB of memory or {SECONDS:.0f} seconds"
    return ImageError(f"the picture takes more than {most} to read: make a smaller copy")


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        most = psutil.Process().memory_info().vms + MEMORY
        with suppress(OSError, ValueError):  # where there is no such limit
            resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _bounded(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (NSTError, MemoryError) as error:
        if isinstance(error, NSTError) and not isinstance(error.__cause__, MemoryError):
            raise
        raise _too_much() from error


@dataclass(frozen=True)
class Decoded:
    """What is to be kept of a picture beside its file."""

    suffix: str  # so that the file can be opened by its name as well
    view: bytes  # a JPEG of `width` x `height` pixels for the page
    width: int
    height: int
    smaller: bytes | None = None  # PNG in place of the file, where that is larger than a painting need be


def decode_picture(file: str, name: str, painting: bool, max_pixels: int) -> Decoded:
    """A photograph or a painting. ImageError: it is not a picture, damaged, or too large."""
    data = Path(file).read_bytes()
    picture = read_picture(_named(data, name), PAINTING if painting else VIEW, max_pixels)
    if picture.hidden:
        raise ImageError(f"{name} is transparent all over: give a picture that can be seen")
    smaller, suffix = None, _suffix(data)
    if painting and max(picture.size) > PAINTING:
        held, suffix = io.BytesIO(), ".png"
        to_pil(resize(picture, *fit_longest_side(*picture.size, PAINTING))).save(
            held, "PNG", compress_level=1
        )
        smaller = held.getvalue()
    width, height = fit_longest_side(*picture.size, min(VIEW, max(picture.size)))
    return Decoded(suffix, jpeg(resize(picture, width, height)), width, height, smaller)


def decode_mask(file: str) -> bool:
    """Whether the brush has painted anything. ImageError: it is not a picture, or larger than the page makes them."""
    picture = read_picture(_named(Path(file).read_bytes(), "the mask"), None, 3 * VIEW**2)
    return bool((picture.rgb > 0).any())


def jpeg(picture: Picture | Image.Image, longest: int = 4096) -> bytes:
    """For a page; transparency is laid on white."""
    image = to_pil(picture) if isinstance(picture, Picture) else picture
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    image.thumbnail((longest, longest))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()


def _named(data: bytes, name: str) -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name  # for messages
    return file


def _suffix(data: bytes) -> str:
    if data[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if data[:4] == b"\x89PNG":
        return ".png"
    return ".webp" if data[8:12] == b"WEBP" else ""
