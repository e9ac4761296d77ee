"""The types of what `nst.StyleTransfer`, `nst.stylize` and their kin take by name, for type checkers and editors.

Which names there are at run time is said by the fields of `nst.settings.Settings`, where they are explained, and the
parameters of `StyleTransfer`; a test holds these types to them. For a tuple, a caller may give any sequence. Names of
before are translated here too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, TypeAlias, TypedDict, TypeVar

from nst.models import vgg
from nst.settings import ColorMode, ColorTime, Mean, NetworkKind, Padding, Precision, StyleLossName

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from nst.control import Cancel
    from nst.engine.cache import Cache
    from nst.losses.term import Loss
    from nst.models.weights import NetworkWeights
    from nst.optim import Optimizer
    from nst.pictures.kinds import Layout
    from nst.pictures.masks import Masks
    from nst.planning.plan import Plan
    from nst.progress import Progress
    from nst.protocol import Backend
    from nst.settings import LayerSpec
    from nst.workers.devices import Devices

File: TypeAlias = "str | PathLike[str] | bytes | BinaryIO | Image"
"""What is painted as a PIL image."""

AnyDtype = TypeVar("AnyDtype", bound="np.generic")


class _Tensor(Protocol):
    """A torch.Tensor or tf.Tensor, as far as that can be said without their frameworks."""

    @property
    def shape(self) -> Any: ...

    @property
    def dtype(self) -> Any: ...


AnyTensor = TypeVar("AnyTensor", bound=_Tensor)

if TYPE_CHECKING:
    from typing_extensions import TypeVar as WithDefault

    Kind = WithDefault("Kind", default=Any)
else:
    Kind = TypeVar("Kind")
"""What a result is: of the kind that the content picture was."""


class _Always(TypedDict, total=False):
    """The settings that every function takes."""

    content_weight: float | None
    style_weight: float | None
    balance: float
    style_strength: float | None
    content_swap: float
    means: Sequence[Mean]
    tuned_for: NetworkKind | None
    style_loss: StyleLossName
    smoothing: bool
    tv_weight: float
    tv_power: Literal[1, 2]
    style_weights: Sequence[float] | None
    pooling: vgg.Pooling
    rate: float
    history: int | None
    metric: float
    steps: int | Sequence[int | Literal["..."]]
    scales: Literal["auto"] | int | Sequence[int]
    max_pixels: int
    init_noise: float
    octave_noise: float
    seed: int
    padding: Padding
    feather: float
    color: ColorMode
    color_strength: float
    color_when: ColorTime | None
    average: float
    tile: Literal["auto", "off"] | int
    precision: Precision | Sequence[Precision | Literal["..."]] | None


class SettingsArguments(_Always, total=False):
    """The settings that `StyleTransfer` takes as they are."""

    size: Literal["content"] | int
    style_scale: float


class _Engine(TypedDict, total=False):
    """What else every function takes; see `StyleTransfer`."""

    backend: str | Backend[Any] | Callable[[], Backend[Any]]
    device: str | Sequence[str] | Devices
    weights: str | Path | NetworkWeights | Callable[[], NetworkWeights]
    init: Any
    masks: Masks | Mapping[str, Any] | None
    layout: Layout
    optimizer: str | Optimizer
    memory: int | Plan | None
    extra_terms: Sequence[Loss]
    cache: Cache | None


class TransferArguments(SettingsArguments, _Engine, total=False):
    """Those of `StyleTransfer`."""

    content_layers: LayerSpec
    style_layers: LayerSpec


class PaintArguments(TypedDict, total=False):
    """Those of `StyleTransfer.run` beside its callback; see `nst.control.Control`."""

    progress: Literal["auto"] | bool
    deadline: float | None
    cancel: Cancel | None


class ControlArguments(PaintArguments, total=False):
    """Those of `StyleTransfer.paint`, which every function that paints a picture takes."""

    callback: Callable[[Progress], object] | None


class StylizeArguments(TransferArguments, ControlArguments, total=False):
    """Those of `stylize`."""


class TextureArguments(_Always, _Engine, ControlArguments, total=False):
    """Those of `texture`, which has no content and a size of its own."""

    style_layers: LayerSpec
    style_scale: float | None


class InvertArguments(SettingsArguments, _Engine, ControlArguments, total=False):
    """Those of `invert`, which has layers of its own and no style."""


RENAMED = {"workshop": "cache"}
"""Arguments of before, which are taken for one more release -> their names."""


def with_present_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments under the names that they have now, with a warning to the caller's caller about those of before."""
    for name in given:
        if name in RENAMED:
            warnings.warn(f"{name}= is now {RENAMED[name]}=", DeprecationWarning, stacklevel=3)
    return {RENAMED.get(name, name): value for name, value in given.items()}
