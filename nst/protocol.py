"""What a backend supplies: primitives, vector arithmetic, transfer, compilation. Typing only.

`T` is a backend's own tensor type; the engine never looks inside one. The logical shape of a picture
or a feature map is (N, C, H, W) everywhere; the storage order is the backend's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from nst._ops import Axis, Ops, PadMode

if TYPE_CHECKING:
    from nst.models.vgg import Pooling
    from nst.models.weights import NetworkWeights

__all__ = [
    "Axis",
    "Backend",
    "Capabilities",
    "Evaluation",
    "LossFunction",
    "Network",
    "Objective",
    "Ops",
    "PadMode",
    "TensorFunction",
    "VectorSpace",
]

T = TypeVar("T")
HostArray: TypeAlias = NDArray[np.floating[Any]]


class VectorSpace(Protocol[T]):
    """Arithmetic on pictures for the optimiser; nothing leaves the device but what `dots` and `scalars` return."""

    def dots(self, pairs: Sequence[tuple[T, T]]) -> NDArray[np.float64]:
        """Inner products <a, b> of all pairs, with one synchronisation."""

    def scalars(self, values: Sequence[T]) -> NDArray[np.float64]:
        """The numbers in scalar tensors, with one synchronisation."""

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[T]) -> T:
        """`sum_i coefficients[i] * vectors[i]`, a new tensor."""

    def multiply(self, a: T, b: T) -> T:
        """`a * b` element by element, a new tensor."""

    def whiten(self, a: T, b: T, epsilon: float) -> T:
        """`a / (sqrt(b) + epsilon)` element by element, b >= 0, a new tensor (Adam's preconditioner)."""

    def clip(self, a: T, low: float, high: float) -> T:
        """`a` limited to [low, high], a new tensor; NaN stays NaN."""

    def crop(self, a: T, top: int, left: int, height: int, width: int) -> T:
        """Rows `top` to `top + height` and columns `left` to `left + width` of (N, C, H, W), a new tensor."""

    def paste(self, total: T, tile: T, top: int, left: int) -> T:
        """`total` with `tile` added from row `top` and column `left` on; may reuse the memory of `total`."""

    def half(self, a: T) -> T:
        """A copy in float16 to keep; `dots` and `lincomb` take it beside full vectors and compute in full precision."""


class Network(Protocol[T]):
    """A VGG19 or VGG16 down to the deepest layer asked for."""

    @property
    def native(self) -> Any:
        """The object that the backend computes with and that a team can take away.

        `torch.nn.Module`, `keras.Model`, `onnx.ModelProto`, or the `NetworkWeights` for numpy.
        """

    def __call__(self, ops: Ops[T], x: T) -> dict[str, T]:
        """Feature maps by layer name, (N, N_l, H_l, W_l), of x (N, 3, H, W) in sRGB [0, 1]."""


@dataclass(frozen=True)
class Evaluation(Generic[T]):
    """One evaluation of an objective, still on the device.

    Attributes:
        total: the scalar that was differentiated.
        terms: the unweighted losses by name, scalars.
        gradient: d total / d x, shaped like x.
    """

    total: T
    terms: Mapping[str, T]
    gradient: T


LossFunction: TypeAlias = Callable[[Ops[T], T, Mapping[str, T]], tuple[T, dict[str, T]]]
"""(ops, x, constants) -> (total, terms): pure, and the only thing that is differentiated."""

TensorFunction: TypeAlias = Callable[[Ops[T], T, Mapping[str, T]], dict[str, T]]
"""(ops, x, constants) -> named tensors: pure, evaluated forwards only."""


class Objective(Protocol[T]):
    """A compiled `LossFunction`. It keeps no state between calls and changes none of its arguments."""

    def __call__(self, x: T, constants: Mapping[str, T]) -> Evaluation[T]:
        """Value, terms and gradient at x; shapes as given to `Backend.compile`."""


@dataclass(frozen=True)
class Capabilities:
    """What a backend declares about itself; tests skip by this and never by name.

    Attributes:
        dtypes: data types of pictures, statistics and losses, the default first.
        precisions: data types that the network alone can compute in besides `dtypes` ("bfloat16", "float16").
        devices: kinds of device that it supports in principle ("cpu", "cuda", "mps").
        deterministic: the same call twice on a CPU gives the same bits.
    """

    dtypes: tuple[str, ...]
    precisions: tuple[str, ...]
    devices: tuple[str, ...]
    deterministic: bool


class Backend(Protocol[T]):
    """One framework on one device with one data type.

    The primitives reach a function through `evaluate` and `compile`, which may call it with other tensors than
    `T`: nodes of a graph, for example. Hence the `Any` in their signatures.

    Attributes:
        name: what `--backend` calls it.
        capabilities: what it declares about itself.
        device: in use, such as "cpu" or "cuda:0".
        dtype: in use, such as "float32": of everything that goes in or comes out.
        precision: in use by the network between its input and the layers that it returns; `dtype` or one of
            `capabilities.precisions`.
    """

    name: str
    capabilities: Capabilities
    device: str
    dtype: str
    precision: str

    def __init__(self, device: str = "auto", dtype: str | None = None, precision: str | None = None) -> None:
        """Choose a device (auto, cpu, cuda, cuda:N, mps), a dtype (None: the default), a precision (None: dtype).

        Raises:
            BackendError: the device is not there, or does not support the dtype or the precision.
        """

    @property
    def space(self) -> VectorSpace[T]:
        """Arithmetic on pictures."""

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of the packages that compute, by distribution name."""

    @staticmethod
    def available_devices() -> list[str]:
        """Devices found on this machine, such as ["cpu", "cuda:0"]."""

    def from_numpy(self, array: HostArray) -> T:
        """Copy to the device in the backend's dtype; 4-D arrays are (N, C, H, W) or (O, C, 3, 3)."""

    def to_numpy(self, tensor: T) -> HostArray:
        """Copy back to the host, in the logical shape; waits for the device."""

    def network(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling) -> Network[Any]:
        """Build the network down to the deepest of `layers`; calling it returns just those layers."""

    def evaluate(self, function: TensorFunction[Any], x: T, constants: Mapping[str, T]) -> dict[str, T]:
        """Run a function forwards once, without gradients."""

    def compile(self, function: LossFunction[Any], like: T, constants: Mapping[str, T]) -> Objective[T]:
        """Build an objective for pictures shaped like `like`; called once, evaluated hundreds of times.

        Constants are passed by name at each call, with the shapes seen here, and never captured.
        """
