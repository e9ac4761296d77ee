"""Videos: each frame goes on from the last result, moved along the optical flow.

Ruder, Dosovitskiy, Brox, *Artistic Style Transfer for Videos* (GCPR 2016), in one pass with the short-term loss. Two
differences: what cannot be told from the last frame starts from the frame in the colours of the paint around, not from
the moved result, and alpha and beta are those of the first frame throughout, so that nothing changes but the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from nst.arguments import AnyDtype, AnyTensor, File, TransferArguments, with_present_names
from nst.engine.cache import Cache
from nst.errors import ImageError, SettingsError
from nst.losses.temporal import Temporal
from nst.losses.term import Loss
from nst.pictures.kinds import from_any
from nst.pictures.picture import Picture, fill_hidden, resize
from nst.pictures.subjects import FINDERS
from nst.settings import require_known
from nst.transfer import ARGUMENTS, Run, StyleTransfer
from nst.video.flow import Flow, confidence, dis_flow, require_opencv, warp

if TYPE_CHECKING:
    from typing_extensions import Unpack

FlowFunction: TypeAlias = Callable[[NDArray[np.float32], NDArray[np.float32]], Flow]
"""(frame, other frame), both (H, W, 3) in [0, 1] -> the flow from the one to the other."""


class VideoArguments(TransferArguments, total=False):
    """The arguments of `VideoTransfer`."""

    temporal_weight: float
    next_steps: int
    flow: FlowFunction


@dataclass(frozen=True, eq=False)
class Last:
    """What a frame needs of the one before it.

    Attributes:
        frame: as it came in.
        result: what became of it, (H, W, 3) in [0, 1]: `Progress.raw_picture().rgb` of the last record.
    """

    frame: Any
    result: NDArray[np.float32]


class VideoTransfer:
    """A style transfer of many frames of one size.

    Args:
        first: the first frame, of any kind that `StyleTransfer` takes. Its content loss sets alpha; the colours of
            the style pictures are matched to it.
        style: a, or a list of several.
        temporal_weight: gamma, times the temporal loss (see `nst.losses.temporal`); 0 for none.
        next_steps: steps of every frame but the first, at one size.
        flow: where the flow comes from; `nst.video.flow.dis_flow` unless given.
        options: further arguments of `StyleTransfer`. `init`, `scales` and `steps` hold for the first frame.

    Raises:
        NSTError: as `StyleTransfer`, or OpenCV is not installed.
    """

    def __init__(
        self,
        first: Any,
        style: Any,
        *,
        temporal_weight: float = 100.0,
        next_steps: int = 100,
        flow: FlowFunction = dis_flow,
        **options: Unpack[TransferArguments],
    ) -> None:
        given = with_present_names(options)
        require_known(given, {*ARGUMENTS, *(VideoTransfer.__init__.__kwdefaults__ or ())})
        number = isinstance(temporal_weight, (int, float)) and not isinstance(temporal_weight, bool)
        if not number or not 0 <= temporal_weight < float("inf"):
            raise SettingsError(f"temporal weight is {temporal_weight!r}: it must be a number, 0 or more")
        masks = given.get("masks")
        word = masks.get("protect") if isinstance(masks, Mapping) else None
        if isinstance(word, str) and word in FINDERS:
            raise SettingsError(
                f"masks stay where they are and a {word} moves: give a mask picture as protect"
            )
        require_opencv()
        self.first = StyleTransfer(first, style, **given)
        self._limits = self.first.settings.longest, self.first.settings.max_pixels
        self._size = from_any(first, *self._limits)[0].size
        self._weight, self._flow = temporal_weight, flow
        self._extra = tuple(given.get("extra_terms", ()))
        later: dict[str, Any] = {
            "init": first,
            "init_noise": 0.0,
            "scales": 1,
            "steps": next_steps,
            "backend": self.first.backend,
            "precision": None,
            "weights": self.first.weights,
            "extra_terms": self._losses(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1), np.float32)),
            "cache": given.get("cache") or Cache(1),
        }
        self._later = StyleTransfer(first, style, **{**given, **later})

    def after(self, last: Last, frame: Any) -> Run:
        """The run of the frame that comes after `last`; nothing of it but its targets is set up anew.

        Raises:
            ImageError: another size than the first frame's.
        """
        content, before = self._sized(frame), self._sized(last.frame)
        back = self._flow(content.rgb, before.rgb)
        believed = confidence(back, self._flow(before.rgb, content.rgb))
        warped = warp(last.result, back, sharp=True)
        seen, _ = self._later.output.color.prepare(content, [])
        start = _start(seen.rgb, warped, believed)
        return self._later._frame(frame, start, self._losses(warped, believed))

    def _losses(self, warped: NDArray[np.float32], believed: NDArray[np.float32]) -> tuple[Loss, ...]:
        """Those beside content, style and total variation: the caller's own and the temporal loss."""
        return (*self._extra, *([Temporal(self._weight, warped, believed)] if self._weight else []))

    def _sized(self, frame: Any) -> Picture:
        """At the size of the result."""
        picture, _ = from_any(frame, *self._limits)
        if picture.size != self._size:
            sizes = [f"{width}x{height}" for width, height in (picture.size, self._size)]
            raise ImageError(
                f"a frame has {sizes[0]} pixels, the first one {sizes[1]}: give frames of one size"
            )
        return resize(picture, *self._later.size)


def _start(
    seen: NDArray[np.float32], warped: NDArray[np.float32], believed: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The last result where it can be believed, elsewhere the frame in the colours of the paint around.

    As it came in, what was not seen before would stay a photograph: a style loss that is low for the rest of the
    picture hardly asks for more.
    """
    if not believed.any():  # another scene
        return seen
    change = fill_hidden(warped - seen, believed)
    return np.where(believed[..., None] > 0, warped, np.clip(seen + change, 0, 1))


@overload
def stylize_frames(
    frames: Iterable[File], style: Any, **options: Unpack[VideoArguments]
) -> Iterator[Image]: ...
@overload
def stylize_frames(
    frames: Iterable[NDArray[AnyDtype]], style: Any, **options: Unpack[VideoArguments]
) -> Iterator[NDArray[AnyDtype]]: ...
@overload
def stylize_frames(
    frames: Iterable[AnyTensor], style: Any, **options: Unpack[VideoArguments]
) -> Iterator[AnyTensor]: ...
def stylize_frames(frames: Iterable[Any], style: Any, **options: Unpack[VideoArguments]) -> Iterator[Any]:
    """Paint frame after frame; each result is of the same kind as its frame.

    Takes the arguments of `VideoTransfer`.

    Raises:
        NSTError: as `VideoTransfer`.

    Examples:
        >>> painted = stylize_frames([content, content], style, size=40, steps=2)
        >>> [frame.shape for frame in painted]
        [(32, 40, 3), (32, 40, 3)]
    """
    video: VideoTransfer | None = None
    last: Last | None = None
    for frame in frames:
        video = video or VideoTransfer(frame, style, **options)
        run = video.first if last is None else video.after(last, frame)
        *_, record = run.iterate()
        yield record.image()
        last = Last(frame, record.raw_picture().rgb)
