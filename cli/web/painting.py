"""Painting one picture step by step: its set-up, previews, result and colours, and what a large one would take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nst.cli.engine import load_backend
from nst.cli.like import command_of, read_picture_settings
from nst.cli.recoloring import with_color
from nst.cli.web.decoding import jpeg
from nst.cli.web.messages import Colored, Estimate, Finished, HistoryEntry, Large, LookPainted, Order, Preview
from nst.cli.web.recipe import FIRST_STEPS, LARGE_STEPS, LOOKS, MORE_STEPS, Recipe, changed
from nst.description import Labels, Sources, describe
from nst.engine.cache import Cache
from nst.engine.pyramid import scale_sizes
from nst.engine.start import Start
from nst.errors import NSTError, SettingsError
from nst.files import is_full
from nst.forecast import forecast
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.pictures.enlarging import enlarged
from nst.pictures.masks import Masks, make_masks, restore_protected
from nst.pictures.picture import Picture, fit_longest_side, planar, resize
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil, write_picture
from nst.planning.plan import free_memory, is_out_of_memory
from nst.progress import Output, Progress
from nst.protocol import Backend
from nst.settings import Precision, Settings
from nst.transfer import StyleTransfer

MAX_UPLOAD_PIXELS = 2**27
"""Pixels of a file of a session that may be held; see `nst.pictures.large`."""

THUMB = 256

PAUSE, SHARE = 0.2, 10.0
"""Seconds between two previews, and how many times what the last one took: they take a tenth of the time at most."""

CARD, CARD_SIZE, CARD_STEPS = 240, 96, 10
"""Longest side in pixels of the card of a look, and of what is painted for it, in so many steps."""

POLISH = 20
"""Steps at the full size, when a picture that is done goes on."""


@dataclass(frozen=True)
class Setup:
    """What the user of `nst web` chose, as the options of these names."""

    backend: str = "auto"
    device: str = "auto"
    weights: str = "auto"
    precision: Precision | None = "fastest"
    memory: int | None = None  # bytes to stay within, all processes together; None for what is free
    size: int = 512  # longest side of the live picture in pixels


class PaintingContext:
    """What a process that paints uses for all its pictures: backend and network, loaded when they are first needed."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @cached_property
    def backend(self) -> Backend[Any]:
        """Where it is computed."""
        return load_backend(self.setup.backend, self.setup.device)

    @cached_property
    def weights(self) -> NetworkWeights:
        """Of the network."""
        return resolve_weights(self.setup.weights, offline=True)

    @property
    def _engine(self) -> dict[str, Any]:
        """What every picture is computed by."""
        return {"backend": self.backend, "weights": self.weights, "precision": self.setup.precision}

    def warm_up(self) -> None:
        """Paint a small picture, so that the first of the user does not wait for what is made once."""
        rng = np.random.default_rng(0)
        pictures = [Picture(rng.random((96, 128, 3), np.float32)) for _ in range(2)]
        transfer = StyleTransfer(*pictures, **self._engine, size=128, steps=1)
        for record in transfer.iterate():
            record.losses()

    def memory_left(self, taken: int = 0) -> int | None:
        """Bytes that a further run may plan with, where others will take `taken`."""
        had = free_memory(self.backend.device) if self.setup.memory is None else self.setup.memory
        return None if had is None else max(0, had - taken)

    def transfer(self, order: Order, memory: int | None, init: str | None, **more: Any) -> StyleTransfer:
        """A picture set up, to start from the one at the path `init` or from the photograph.

        NSTError: bad input, or not enough memory.
        """
        photo, recipe, masks = sized(order.photo, order.size), order.subject.recipe, order.masks
        longest = max(1, round(recipe.stroke * max(photo.size)))
        styles = [sized(path, longest) for path in order.styles]
        return StyleTransfer(
            photo,
            styles,
            **self._engine,
            masks={name: read_upload(path) for name, path in masks.items()},
            init="content" if init is None else read_upload(init),
            memory=memory,
            **{**recipe.arguments(len(styles), order.size, bool(masks)), **more},
        )


def read_upload(path: str) -> Picture:
    """A file of a session."""
    return read_picture(path, max_pixels=MAX_UPLOAD_PIXELS)


@lru_cache(maxsize=8)
def sized(path: str, longest: int) -> Picture:
    """A picture at the size at which `StyleTransfer` takes it; what a session has under a name never changes."""
    picture = read_picture(path, longest, MAX_UPLOAD_PIXELS)
    return resize(picture, *fit_longest_side(*picture.size, longest))


def error_line(error: BaseException) -> str:
    """What went wrong, for the page."""
    if is_out_of_memory(error):
        return "out of memory: close other programs, or paint smaller"
    if isinstance(error, OSError):
        return unwritten_line(error.filename or "the studio's folder", error)
    text = " ".join(str(error).split())
    return text if isinstance(error, NSTError) else f"{type(error).__name__}: {text}"


def unwritten_line(place: str | Path, error: OSError) -> str:
    """Why something is not in the studio's folder, for the page."""
    if is_full(error):
        return f"the disk of {place} is full: make room, or start nst web with another --folder"
    return f"cannot write into {place}: {error.strerror or error}"


class Canvas:
    """A run under way, from the picture at `init` or from the photograph; previews of a large one are numbers."""

    def __init__(
        self,
        context: PaintingContext,
        order: Order,
        transfer: StyleTransfer,
        init: str | None,
        large: bool = False,
    ) -> None:
        self.order, self.transfer = order, transfer
        self.spent = 0.0
        """Seconds that its steps took; a new one has some for a start."""
        self.record: Progress | None = None
        self._init, self._large, self._setup = init, large, context.setup
        self._records: Iterator[Progress] = transfer.iterate()
        self._shown = self._pause = 0.0

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
        self.record = record
        self.spent += time.perf_counter() - began
        return True

    def due_preview(self) -> Preview | None:
        """What there is to see, if it is time."""
        record = self.record
        if record is None or time.monotonic() - self._shown < self._pause:
            return None
        if record.step == 0 and self._init is None:  # the photograph itself
            return None
        return self.preview()

    def preview(self) -> Preview:
        """The picture so far at the size of the result: its change of the photograph, enlarged, over the sharp one."""
        began, record = time.perf_counter(), self._colored
        self._shown = time.monotonic()
        picture = b"" if self._large else jpeg(self.transfer.full_size(record))
        self._pause = 1.0 if self._large else max(PAUSE, SHARE * (time.perf_counter() - began))
        return Preview(
            session=self.order.session,
            run=self.order.run,
            step=record.step,
            steps=record.steps,
            scale=record.scale,
            scales=record.scales,
            size=record.size,
            loss=record.losses().total,
            left=record.left or 0.0,
            peak=self.peak,
            start=None if self._init is None else Path(self._init).name,
            jpeg=picture,
        )

    def recolor(self, order: Order) -> None:
        """Other colours from now on."""
        self.order = self.order.colored(order.subject.recipe.color)
        self._pause = 0.0

    def finish(self, why: str) -> Finished:
        """Write the picture so far, its thumbnail, and what it was before its colours were changed, or NSTError."""
        order, record = self.order, self._colored
        init = "content" if self._init is None else self._init
        typed = Sources(order.photo, order.styles, order.masks, init, self._setup.weights)
        document = describe(self.transfer, typed, record.settings, record.step)
        picture = record.picture()
        paths = {kind: order.file(kind) for kind in ("picture", "thumb", "raw")}
        write_picture(picture, paths["picture"], **Labels().of(document, picture.tags))
        try:
            paths["thumb"].write_bytes(jpeg(picture, THUMB))
            to_pil(record.raw_picture()).save(paths["raw"], compress_level=1)
        except OSError as error:
            raise NSTError(unwritten_line(order.folder, error)) from error
        entry = HistoryEntry(
            run=order.run,
            why=why,
            subject=order.subject,
            size=record.size,
            step=record.step,
            steps=record.steps,
            seconds=record.seconds,
            made=time.time(),
            files={kind: path.name for kind, path in paths.items()},
            command=_command(document, paths["picture"]),
        )
        return Finished(order.session, entry)

    @property
    def _colored(self) -> Progress:
        """The last record in the colours that the slider asks for, which may have been moved since."""
        assert self.record is not None
        return self.record.colored(self.order.subject.recipe.coloring)


def paint_looks(context: PaintingContext, order: Order) -> Iterator[LookPainted | None]:
    """What each look makes of the pictures of an order; None after a step, so that what is asked for need not wait.

    NSTError: bad input, or not enough memory.
    """
    cheap: dict[str, Any] = {"steps": CARD_STEPS, "cache": Cache()}
    painted: dict[Recipe, Progress] = {}  # looks that differ in colours alone share a run
    for name, look in LOOKS.items():
        recipe = changed(order.subject.recipe, look.sliders)
        plain = replace(recipe, color=0.0)
        if plain not in painted:
            subject = replace(order.subject, recipe=plain, masks=order.subject.protected)
            small = replace(order, subject=subject, size=CARD_SIZE)
            for record in context.transfer(small, context.memory_left(), None, **cheap).iterate():
                record.losses()
                yield None
            painted[plain] = record
        picture, photo = painted[plain].colored(recipe.coloring).picture(), sized(order.photo, CARD)
        card = enlarged(picture, sized(order.photo, CARD_SIZE), photo, *photo.size)
        yield LookPainted(order.session, order.subject.pair, name, jpeg(card))


def live_canvas(
    context: PaintingContext, order: Order, present: Picture | None, polish: bool, memory: int | None
) -> Canvas:
    """A live picture set up to go on from the present one, or from the photograph; `polish` stays at the full size.

    NSTError: bad input, or not enough memory.
    """
    if present is None:
        return Canvas(context, order, context.transfer(order, memory, None, steps=FIRST_STEPS), None)
    init = _start_file(order, present)
    more: dict[str, Any] = {"scales": 1, "steps": POLISH}
    if not polish:
        more = {"scales": _scales(order.size), "steps": MORE_STEPS}
    return Canvas(context, order, context.transfer(order, memory, init, **more), init)


def large_transfer(context: PaintingContext, request: Large) -> tuple[StyleTransfer, str]:
    """A large picture set up, and the path of the picture that it starts from.

    NSTError: bad input, or not enough memory.
    """
    init = _start_file(request.order, read_upload(request.present))
    return _transfer_above(context, request, init), init


def bring_up(request: Large, weights: str) -> Finished:
    """Write the present picture at another size with the detail of the photograph, as `nst poster` does.

    `weights` are as they were typed. NSTError: it is not larger than what there is, or a file cannot be read or
    written.
    """
    began, order, raw = time.perf_counter(), request.order, Path(request.present)
    small = {"picture": raw.with_name(raw.name.replace("raw", "picture", 1)), "raw": raw}
    content = read_upload(order.photo)
    size = fit_longest_side(*content.size, order.size)
    paths = {kind: order.file(kind) for kind in ("picture", "raw", "thumb")}
    made = _with_paths(read_picture_settings(str(small["picture"])), order, weights)
    document = {**made, "command": {"name": "poster", "long_side": order.size}}
    for kind, path in small.items():
        result = read_upload(str(path))
        if order.size <= max(result.size):
            raise SettingsError(f"the picture has {max(result.size)} pixels already: choose a larger size")
        image = enlarged(result, resize(content, *result.size), content, *size)
        write_picture(image, paths[kind], **Labels().of(document, content.tags))
        if kind == "picture":
            paths["thumb"].write_bytes(jpeg(image, THUMB))
    entry = HistoryEntry(
        run=order.run,
        why="large",
        subject=order.subject,
        size=size,
        step=0,
        steps=0,
        seconds=time.perf_counter() - began,
        made=time.time(),
        files={kind: path.name for kind, path in paths.items()},
        command=_command(document, paths["picture"]),
    )
    return Finished(order.session, entry)


def estimate(context: PaintingContext, request: Large) -> Estimate:
    """The plan of a large picture; a few steps of small versions are run, for the time."""
    order = request.order
    try:
        transfer = _transfer_above(context, request, request.present)
    except NSTError as error:
        return Estimate(order.session, order.size, error=str(error))
    plan, (width, height) = transfer.plan, transfer.size
    seconds = forecast(transfer).total
    return Estimate(order.session, order.size, width, height, plan.peak, plan.free, plan.fits, seconds)


def _transfer_above(context: PaintingContext, request: Large, init: str) -> StyleTransfer:
    """A large picture, at the scales above the live one's."""
    order, memory = request.order, context.memory_left(request.reserve)
    scales = _scales(order.size, request.above)
    return context.transfer(order, memory, init, scales=scales, steps=LARGE_STEPS)


def _scales(size: int, above: int = 0) -> int | tuple[int, ...]:
    """Of those that "auto" takes, the ones above a number of pixels; where there is but one, how many there are."""
    sizes = tuple(side for side in scale_sizes("auto", size, size, 1) if side > above)
    return sizes if len(sizes) > 1 else 1


def _start_file(order: Order, present: Picture) -> str:
    """The picture to go on from, as a file that the command can name.

    It has the size of the order and the photograph's detail under its change; where the brush protects, it is the
    photograph.
    """
    original = sized(order.photo, order.size)
    size = original.size
    if max(present.size) > max(size):
        present = resize(present, *size)
    rgb = Start(Settings(), original, (), None).go_on(planar(present), *size)[0].transpose(1, 2, 0)
    picture = Picture(np.clip(rgb, 0, 1).astype(np.float32), original.alpha)
    path = order.file("start")
    to_pil(restore_protected(picture, original, _masks(order, order.size))).save(path, compress_level=1)
    return str(path)


def recolor_result(order: Order, raw: Picture, weights: str) -> Colored:
    """Write a picture and its thumbnail anew, in the colours of the order, from what the optimisation made.

    `weights` are as they were typed: the picture has but the names of what it was made from. NSTError: a file cannot be
    read or written.
    """
    path, color, longest = order.file("picture"), order.subject.recipe.coloring, max(raw.size)
    document = _with_paths(with_color(read_picture_settings(str(path)), color), order, weights)
    picture = Output(color, sized(order.photo, longest), to_pil, _masks(order, longest)).finish(raw)
    write_picture(picture, path, **Labels().of(document, picture.tags))
    order.file("thumb").write_bytes(jpeg(picture, THUMB))
    return Colored(order.session, order.run, _command(document, path))


def _with_paths(document: Mapping[str, Any], order: Order, weights: str) -> dict[str, Any]:
    own = {"content": order.photo, "styles": list(order.styles), "masks": dict(order.masks)}
    settings, network = {**document["settings"], **own}, {**document["weights"], "from": weights}
    return {**document, "settings": settings, "weights": network}


def _masks(order: Order, longest: int) -> Masks | None:
    """What the brush has painted, for a picture of that longest side."""
    feather = order.subject.recipe.feather_at(longest)
    return make_masks(order.masks, len(order.styles), feather, max_pixels=MAX_UPLOAD_PIXELS)


def _command(document: Mapping[str, Any], picture: Path) -> str:
    """That makes a picture with such metadata."""
    return command_of(document, picture.name) or f"nst stylize --like {picture.name} -o out.png"
