"""Pictures that come in: to the disk, within bounds; decoded as the command line does it; kept if they are good."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from PIL import Image
from starlette.concurrency import run_in_threadpool

from nst.cli.web.decoding import Decoder, decode_mask, decode_picture
from nst.cli.web.recipe import Upload
from nst.errors import ImageError
from nst.files import write_atomically
from nst.pictures.picture import to_uint8
from nst.pictures.reading import read_picture
from nst.pictures.subjects import faces

T = TypeVar("T")

MOST_BYTES = 64 * 2**20  # of an upload

MOST_PIXELS = 2**26
"""That a decoder holds; see `nst.pictures.large`. Larger ones are reduced while they are decoded, if they can be."""

MASK_BYTES = 8 * 2**20  # of a mask, which is small and in black and white

AT_ONCE = 2  # pictures that are decoded at a time; others wait, on the disk


class TooLargeError(ImageError):
    """More bytes than an upload may have."""


async def chunks(stream: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """An upload as it comes.

    Raises:
        TooLargeError: more than `most` bytes; the rest is not read.
    """
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > most:
            raise TooLargeError(f"the upload has more than {most / 2**20:g} MB: make a smaller copy")
        yield chunk


async def bounded(stream: AsyncIterator[bytes], most: int) -> bytes:
    """The whole of a small upload; see `chunks`."""
    return b"".join([chunk async for chunk in chunks(stream, most)])


class Intake:
    """What comes in, at most `AT_ONCE` pictures at once in decoders of their own."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._decoders = [Decoder() for _ in range(AT_ONCE)]
        self._idle = list(self._decoders)  # the last one is taken first, others start where it is busy

    def open(self) -> None:
        """Start the decoder that is used first, so that the first picture does not wait for it."""
        self._decoders[-1].start()

    def close(self) -> None:
        """End the decoders."""
        for decoder in self._decoders:
            decoder.close()

    async def picture(
        self,
        stream: AsyncIterator[bytes],
        folder: Path,
        number: int,
        name: str,
        painting: bool,
        credit: str = "",
    ) -> Upload:
        """Keep a picture in the folder of a session under a number; a painting no larger than is needed.

        Raises:
            ImageError: it is not a picture, damaged, or too large.
        """

        def keep(decoder: Decoder) -> Upload:
            found = decoder(decode_picture, str(path), name, painting, MOST_PIXELS)
            file, view = f"source-{number}{found.suffix}", f"view-{number}.jpg"
            write_atomically(folder / view, found.view)
            try:
                if found.smaller is None:
                    path.replace(folder / file)
                else:
                    write_atomically(folder / file, found.smaller)
            except OSError:
                (folder / view).unlink()
                raise
            return Upload(name, file, view, found.width, found.height, credit)

        with _arriving(folder) as path:
            await _receive(stream, path, MOST_BYTES)
            return await self._with_decoder(keep)

    async def mask(self, stream: AsyncIterator[bytes], folder: Path) -> str | None:
        """Keep what the brush has painted; the name of the file, or None where it is black all over.

        Raises:
            ImageError: it is not a picture, or larger than the page makes them.
        """

        def keep(decoder: Decoder) -> str | None:
            if not decoder(decode_mask, str(path)):
                return None
            name = f"mask-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}.png"
            path.replace(folder / name)
            return name

        with _arriving(folder) as path:
            await _receive(stream, path, MASK_BYTES)
            return await self._with_decoder(keep)

    async def _with_decoder(self, keep: Callable[[Decoder], T]) -> T:
        def work() -> T:
            decoder = self._idle.pop()
            try:
                return keep(decoder)
            finally:
                self._idle.append(decoder)

        async with self._free:
            return await run_in_threadpool(work)


@contextmanager
def _arriving(folder: Path) -> Iterator[Path]:
    """A place for what is not known yet; it is gone afterwards, unless it was given a name."""
    path = folder / f"arriving-{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


async def _receive(stream: AsyncIterator[bytes], path: Path, most: int) -> None:
    """An upload into a new file, which reaches the disk."""
    with path.open("xb") as file:
        async for chunk in chunks(stream, most):
            file.write(chunk)
        file.flush()
        await run_in_threadpool(os.fsync, file.fileno())


def find_faces(photo: Path) -> tuple[str, float] | None:
    """Write a mask of the heads in a photograph beside it; its name and their share of the picture, None without any.

    NSTError: the photograph cannot be read, or what finds faces is not installed.
    """
    mask = faces(read_picture(photo))
    if mask is None:
        return None
    file = io.BytesIO()
    Image.fromarray(to_uint8(mask)).save(file, "PNG")
    name = f"mask-{hashlib.sha256(file.getvalue()).hexdigest()[:12]}.png"
    write_atomically(photo.parent / name, file.getvalue())
    return name, float(mask.mean())
