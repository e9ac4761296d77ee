"""Painting one picture step by step: what it takes to set one up, its previews and results, its plan, its colours."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nst.cli.engine import load_backend
from nst.cli.like import command_of
from nst.cli.recoloring import with_color
from nst.cli.web.messages import Colored, Estimate, EstimateRequest, Finished, Large, Order, Preview
from nst.cli.web.recipe import FIRST_STEPS, LARGE_STEPS, MORE_STEPS
from nst.description import Sources, describe
from nst.engine.pyramid import scale_sizes
from nst.engine.start import Start
from nst.errors import NSTError
from nst.forecast import forecast
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.pictures.masks import Masks, make_masks, restore_protected
from nst.pictures.picture import Picture, fit_longest_side, planar, resize
from nst.pictures.reading import read_picture
from nst.pictures.writing import read_settings, to_pil, write_picture
from nst.planning.memory import free_memory, is_out_of_memory
from nst.progress import Output, Progress
from nst.protocol import Backend
from nst.settings import Settings
from nst.transfer import StyleTransfer

__all__ = [
    "Canvas",
    "PaintingContext",
    "Setup",
    "command_for",
    "error_line",
    "estimate",
    "jpeg",
    "large_transfer",
    "lifted",
    "live_canvas",
    "masks_of",
    "read_upload",
    "recolor_result",
    "settings_above",
    "sized",
    "start_file",
    "write_result",
]

MAX_UPLOAD_PIXELS = 2**27
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


class PaintingContext:
    """What a process that paints has at hand: backend, network, and pictures that were read before.

    Backend and network are loaded when they are first needed.
    """

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
            masks={name: read_upload(path) for name, path in order.masks.items()},
            init="content" if init is None else read_upload(init),
            memory=memory,
            **{**order.recipe.arguments(len(order.styles), order.size, bool(order.masks)), **more},
        )


def read_upload(path: str) -> Picture:
    """A file of a session."""
    return read_picture(path, max_pixels=MAX_UPLOAD_PIXELS)


@lru_cache(maxsize=8)
def sized(path: str, longest: int) -> Picture:
    """A picture at the size at which `StyleTransfer` takes it; what a session has under a name never changes."""
    picture = read_picture(path, longest, MAX_UPLOAD_PIXELS)
    return resize(picture, *fit_longest_side(*picture.size, longest))


def masks_of(order: Order, longest: int) -> Masks | None:
    """What the brush has painted, for a picture of that longest side."""
    feather = order.recipe.feather_at(longest)
    return make_masks(dict(order.masks), len(order.styles), feather, max_pixels=MAX_UPLOAD_PIXELS)


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
    return restore_protected(picture, original, masks_of(order, order.size))


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
    sources = Sources(order.photo, order.styles, order.masks, init or "content", setup.weights)
    document = {**describe(transfer, sources, record), "step": record.step}
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


def error_line(error: BaseException) -> str:
    """What went wrong, for the page."""
    if is_out_of_memory(error):
        return "out of memory: close other programs, or paint smaller"
    text = " ".join(str(error).split())
    return text if isinstance(error, NSTError) else f"{type(error).__name__}: {text}"


PAUSE = 0.2
"""Seconds between two previews."""

POLISH = 20
"""Steps at the full size, when a picture that is done goes on."""


class Canvas:
    """A run under way.

    Args:
        context: to paint at.
        order: what.
        transfer: set up.
        init: path of the picture that it starts from; None for the photograph.
        job: name of a large picture.
    """

    def __init__(
        self,
        context: PaintingContext,
        order: Order,
        transfer: StyleTransfer,
        init: str | None,
        job: str | None = None,
    ) -> None:
        self.order, self.transfer, self.init, self.job = order, transfer, init, job
        self.spent = 0.0
        self._context = context
        self._records: Iterator[Progress] = transfer.iterate()
        self.record: Progress | None = None
        self._shown = 0.0
        self._pace: dict[int, float] = {}  # seconds a step by longest side

    @property
    def peak(self) -> int:
        """Bytes of memory that it is planned to take."""
        return self.transfer.plan.peak

    def advance(self) -> bool:
        """One step; False when there is none left."""
        began = time.perf_counter()
        record = next(self._records, None)
        if record is None:
            return False
        record.losses()  # waits for the device
        passed = time.perf_counter() - began
        same = self.record is not None and self.record.scale == record.scale
        self.record = record
        self.spent += passed
        if same:  # else it was set up as well
            self._pace[max(record.size)] = passed
        return True

    def preview(self) -> Preview | None:
        """What there is to see, if it is time."""
        record = self.record
        if record is None or time.monotonic() - self._shown < (1.0 if self.job else PAUSE):
            return None
        if record.step == 0 and self.init is None:  # the photograph itself
            return None
        self._shown = time.monotonic()
        return self.look()

    def look(self) -> Preview:
        """What there is to see."""
        record = self.record
        assert record is not None
        return Preview(
            self.order.session,
            self.order.run,
            record.step,
            record.steps,
            record.scale,
            record.scales,
            record.size,
            record.losses().total,
            self.left(),
            self.peak,
            None if self.init is None else Path(self.init).name,
            b"" if self.job else jpeg(self.seen()),
            self.job,
        )

    def seen(self) -> Picture:
        """The picture with its colours."""
        return self._colored.picture()

    @property
    def _colored(self) -> Progress:
        """The last record in the colours that the slider asks for, which may have been moved since."""
        assert self.record is not None
        return self.record.colored(self.order.recipe.coloring)

    def recolor(self, order: Order) -> None:
        """Other colours from now on."""
        self.order = replace(self.order, recipe=replace(self.order.recipe, color=order.recipe.color))
        self._shown = 0.0

    def left(self) -> float:
        """Seconds that it will still take, from those that the steps took so far."""
        record = self.record
        if record is None or not self._pace:
            return 0.0
        side, seconds = max(self._pace.items())
        each = seconds / side**2
        ends, total = 0, 0.0
        for longest, steps in self.transfer.schedule:
            ends += steps
            total += min(steps, max(0, ends - record.step)) * each * longest**2
        return total

    def finish(self, why: str) -> Finished:
        """Write the picture so far."""
        record = self._colored
        files, command = write_result(self.order, self.transfer, record, self.init, self._context.setup)
        named = (why, record.step, record.steps, record.size, record.seconds)
        return Finished(self.order.session, self.order.run, *named, files, command, self.job)


def live_canvas(
    context: PaintingContext, order: Order, present: Picture | None, polish: bool, memory: int | None
) -> Canvas:
    """A live picture set up.

    Args:
        context: to paint at.
        order: what.
        present: picture to go on from; None for the photograph.
        polish: stay at the full size.
        memory: bytes to stay within.

    Raises:
        NSTError: bad input, or not enough memory.
    """
    if present is None:
        return Canvas(context, order, context.transfer(order, memory, None, steps=FIRST_STEPS), None)
    init = start_file(order, present)
    more: dict[str, Any] = {"scales": 1, "steps": POLISH}
    if not polish:
        more = {"scales": _scales(order.size), "steps": MORE_STEPS}
    return Canvas(context, order, context.transfer(order, memory, init, **more), init)


def start_file(order: Order, present: Picture) -> str:
    """The picture to go on from, written into the session's folder, so that the command can name it."""
    path = order.file("start")
    to_pil(lifted(order, present)).save(path, compress_level=1)
    return str(path)


def settings_above(size: int, above: int) -> dict[str, Any]:
    """Scales and steps of a large picture, whose live one has a longest side of `above` pixels."""
    return {"scales": _scales(size, above), "steps": LARGE_STEPS}


def _scales(size: int, above: int = 0) -> int | tuple[int, ...]:
    """Of those that "auto" takes, the ones above a number of pixels; where there is but one, how many there are."""
    sizes = tuple(side for side in scale_sizes("auto", size, size, 1) if side > above)
    return sizes if len(sizes) > 1 else 1


def estimate(context: PaintingContext, request: EstimateRequest) -> Estimate:
    """The plan of a large picture; a few steps of small versions are run, for the time."""
    order = request.order
    more = settings_above(order.size, request.above)
    try:
        transfer = context.transfer(order, context.memory_left(), request.present, **more)
    except NSTError as error:
        return Estimate(order.session, order.size, error=str(error))
    plan, (width, height) = transfer.plan, transfer.size
    named = (order.session, order.size, width, height)
    return Estimate(*named, plan.peak, plan.free, plan.fits, forecast(transfer).total)


def large_transfer(context: PaintingContext, request: Large) -> tuple[StyleTransfer, str]:
    """A large picture set up, and the path of the picture that it starts from.

    Raises:
        NSTError: bad input, or not enough memory.
    """
    order = request.order
    init = start_file(order, read_upload(request.present))
    memory = context.memory_left(request.reserve)
    return context.transfer(order, memory, init, **settings_above(order.size, request.above)), init


def recolor_result(order: Order, raw: Picture) -> Colored:
    """Write a picture and its thumbnail anew.

    Args:
        order: of the picture, with the new colours.
        raw: as the optimisation had it.

    Raises:
        NSTError: a file cannot be read or written.
    """
    path, color, longest = order.file("picture"), order.recipe.coloring, max(raw.size)
    document = with_color(read_settings(path), color)
    picture = Output(color, sized(order.photo, longest), to_pil, masks_of(order, longest)).finish(raw)
    write_picture(picture, path, document)
    order.file("thumb").write_bytes(jpeg(picture, THUMB))
    return Colored(order.session, order.run, command_for(document, path.name), jpeg(picture))
