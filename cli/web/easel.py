"""What a process that paints has at hand: backend, network, and pictures that were read before."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from PIL import Image

from nst.cli.engine import load_backend
from nst.cli.like import command_of
from nst.cli.web.messages import Order
from nst.description import describe
from nst.engine.start import Start
from nst.errors import NSTError
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.pictures.masks import Masks, kept, make_masks
from nst.pictures.picture import Picture, fit_longest_side, planar, resize
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil, write_picture
from nst.planning.memory import free_memory, is_out_of_memory
from nst.progress import Progress
from nst.protocol import Backend
from nst.settings import Settings
from nst.transfer import StyleTransfer

__all__ = [
    "Easel",
    "Setup",
    "command_for",
    "jpeg",
    "lifted",
    "masks_of",
    "one_line",
    "read",
    "sized",
    "write_result",
]

MAX_PIXELS = 2**27
"""Pixels of an upload that may be held; see `nst.pictures.large`."""

THUMB = 256


@dataclass(frozen=True)
class Setup:
    """What the user of `nst web` chose.

    Attributes:
        backend: as `--backend`.
        device: as `--device`.
        weights: as `--weights`.
        precision: of the network.
        memory: bytes to stay within, all processes together; None for what is free.
        size: longest side of the live picture in pixels.
    """

    backend: str = "auto"
    device: str = "auto"
    weights: str = "auto"
    precision: str | None = "auto"
    memory: int | None = None
    size: int = 512


class Easel:
    """See the module; backend and network are loaded when they are first needed."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @cached_property
    def backend(self) -> Backend[Any]:
        """Where it is computed."""
        return load_backend(self.setup.backend, self.setup.device, self.setup.precision)

    @cached_property
    def weights(self) -> NetworkWeights:
        """Of the network."""
        return resolve_weights(self.setup.weights, offline=True)

    def warm_up(self) -> None:
        """Paint a small picture, so that the first of the user does not wait for what is made once."""
        rng = np.random.default_rng(0)
        pictures = [Picture(rng.random((96, 128, 3), np.float32)) for _ in range(2)]
        transfer = StyleTransfer(*pictures, backend=self.backend, weights=self.weights, size=128, steps=1)
        for record in transfer.iterate():
            record.losses()

    def memory_left(self, taken: int = 0) -> int | None:
        """Bytes that a further run may plan with, where others will take `taken`."""
        had = free_memory(self.backend.device) if self.setup.memory is None else self.setup.memory
        return None if had is None else max(0, had - taken)

    def transfer(self, order: Order, memory: int | None, init: str | None, **more: Any) -> StyleTransfer:
        """A picture set up.

        Args:
            order: what.
            memory: bytes to stay within.
            init: path of the picture to start from; None for the photograph.
            more: further arguments of `StyleTransfer`.

        Raises:
            NSTError: bad input, or not enough memory.
        """
        photo = sized(order.photo, order.size)
        longest = max(1, round(order.recipe.stroke * max(photo.size)))
        return StyleTransfer(
            photo,
            [sized(path, longest) for path in order.styles],
            backend=self.backend,
            weights=self.weights,
            masks={name: read(path) for name, path in order.masks.items()},
            init="content" if init is None else read(init),
            memory=memory,
            **{**order.recipe.arguments(len(order.styles), order.size, bool(order.masks)), **more},
        )


def read(path: str) -> Picture:
    """A file of a session."""
    return read_picture(path, max_pixels=MAX_PIXELS)


@lru_cache(maxsize=8)
def sized(path: str, longest: int) -> Picture:
    """A picture at the size at which `StyleTransfer` takes it; what a session has under a name never changes."""
    picture = read_picture(path, longest, MAX_PIXELS)
    return resize(picture, *fit_longest_side(*picture.size, longest))


def masks_of(order: Order, longest: int) -> Masks | None:
    """What the brush has painted, for a picture of that longest side."""
    feather = order.recipe.feather_at(longest)
    return make_masks(dict(order.masks), len(order.styles), feather, max_pixels=MAX_PIXELS)


def lifted(order: Order, present: Picture) -> Picture:
    """The present picture at the size of the order, with the photograph's detail under its change.

    Where the brush protects, it is the photograph.
    """
    original = sized(order.photo, order.size)
    size = original.size
    if max(present.size) > max(size):
        present = resize(present, *size)
    rgb = Start(Settings(), original, (), None).go_on(planar(present), *size)[0].transpose(1, 2, 0)
    picture = Picture(np.clip(rgb, 0, 1).astype(np.float32), original.alpha)
    return kept(picture, original, masks_of(order, order.size))


def jpeg(picture: Picture, longest: int = 4096) -> bytes:
    """For a page; transparency is laid on white."""
    image = to_pil(picture)
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    image.thumbnail((longest, longest))
    held = io.BytesIO()
    image.save(held, "JPEG", quality=90, subsampling=0)
    return held.getvalue()


def write_result(
    order: Order,
    transfer: StyleTransfer,
    record: Progress,
    init: str | None,
    setup: Setup,
) -> tuple[dict[str, str], str]:
    """Write a picture, its thumbnail, and what it was before its colours were changed.

    Args:
        order: what was painted.
        transfer: that painted it.
        record: its last, in the colours of the order.
        init: path of the picture that it started from.
        setup: of the studio.

    Returns:
        Names of the files in the session's folder, and the command that makes the picture.

    Raises:
        NSTError: it cannot be written.
    """
    typed = {
        "content": order.photo,
        "styles": list(order.styles),
        "masks": dict(order.masks),
        "init": "content" if init is None else init,
        "weights": setup.weights,
    }
    document = {**describe(transfer, typed, record), "step": record.step}
    seen = record.picture()
    paths = {kind: order.file(kind) for kind in ("picture", "thumb", "raw")}
    write_picture(seen, paths["picture"], document)
    try:
        paths["thumb"].write_bytes(jpeg(seen, THUMB))
        to_pil(record.raw_picture()).save(paths["raw"], compress_level=1)
    except OSError as error:
        raise NSTError(f"cannot write into {order.folder}: {error.strerror or error}") from error
    return {kind: path.name for kind, path in paths.items()}, command_for(document, paths["picture"].name)


def command_for(document: Mapping[str, Any], picture: str) -> str:
    """The command that makes a picture with such metadata."""
    return command_of(document, picture) or f"nst stylize --like {picture} -o out.png"


def one_line(error: BaseException) -> str:
    """What went wrong, for the page."""
    if is_out_of_memory(error):
        return "out of memory: close other programs, or paint smaller"
    text = " ".join(str(error).split())
    return text if isinstance(error, NSTError) else f"{type(error).__name__}: {text}"
