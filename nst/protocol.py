"""What a backend supplies: primitives, vector arithmetic, transfer, compilation. Typing only.

`T` is a backend's own tensor type; the engine never looks inside one. The logical shape of a picture
or a feature map is (N, C, H, W) everywhere; the storage order is the backend's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nst.models.vgg import Pooling
    from nst.models.weights import NetworkWeights

T = TypeVar("T")
HostArray: TypeAlias = NDArray[np.floating[Any]]
Axis: TypeAlias = Literal["height", "width"]
PadMode: TypeAlias = Literal["replicate", "circular"]


class Ops(Protocol[T]):
    """The closed list of differentiable primitives. Every loss is written in these and nothing else."""

    def affine(self, x: T, factor: T, shift: T) -> T:
        """`factor[c] * x[n, c, h, w] + shift[c]`; factor and shift have shape (C,)."""

    def conv2d(self, x: T, weight: T, bias: T) -> T:
        """3x3 cross-correlation, stride 1, one zero of padding a side; weight (O, C, 3, 3), bias (O,)."""

    def relu(self, x: T) -> T:
        """`max(x, 0)`; its derivative at 0 is 0; NaN stays NaN."""

    def max_pool(self, x: T) -> T:
        """2x2 maximum, stride 2, odd last row and column dropped; NaN stays NaN.

        A tie passes its gradient to the first in row order.
        """

    def avg_pool(self, x: T) -> T:
        """2x2 mean, stride 2, odd last row and column dropped."""

    def gram(self, features: T) -> T:
        """`sum_k F_ik F_jk`: (N, C, H, W) -> (N, C, C), summed over the H * W positions k."""

    def channel_sum(self, features: T) -> T:
        """Sum over positions: (N, C, H, W) -> (N, C, 1, 1); `gram` of it is the outer product of the sums."""

    def modulate(self, x: T, mask: T) -> T:
        """`mask[n, 0, h, w] * x[n, c, h, w]`, mask (N, 1, H, W) or (1, 1, H, W); differentiable in x alone."""

    def pad(self, x: T, margin: int, mode: PadMode) -> T:
        """`margin` more rows and columns on all four sides: the edge repeated, or the other side (circular).

        A circular margin is at most the side that it wraps around.
        """

    def matmul(self, a: T, b: T) -> T:
        """(N, I, K) times (N, K, J): (N, I, J)."""

    def transpose(self, a: T) -> T:
        """(N, I, J) -> (N, J, I)."""

    def diff(self, x: T, axis: Axis) -> T:
        """Forward difference of neighbours: `x[..., 1:] - x[..., :-1]` along the axis, one shorter there."""

    def add(self, a: T, b: T) -> T:
        """`a + b`, equal shapes."""

    def sub(self, a: T, b: T) -> T:
        """`a - b`, equal shapes."""

    def multiply(self, a: T, b: T) -> T:
        """`a * b` element by element, equal shapes."""

    def divide(self, a: T, b: T) -> T:
        """`a / b` element by element, equal shapes."""

    def scale(self, a: T, factor: float) -> T:
        """`factor * a`, factor a number known when the objective is compiled."""

    def scale_by(self, a: T, factor: T) -> T:
        """`factor * a`, factor a scalar tensor (); differentiable in both."""

    def square(self, a: T) -> T:
        """`a * a` element by element."""

    def sqrt(self, a: T) -> T:
        """Square root of a > 0, element by element."""

    def exp(self, a: T) -> T:
        """`e^a` element by element."""

    def abs(self, a: T) -> T:
        """`|a|` element by element; its derivative at 0 is 0."""

    def sum(self, a: T) -> T:
        """Sum of all elements, a scalar tensor of shape ()."""


class Arithmetic(Protocol[T]):
    """Arithmetic on pictures that needs no number of them: it may be done at once, or written into a graph.

    A graph's coefficients may be numbers of the graph, which take part in the arithmetic of floats.
    """

    def lincomb(self, coefficients: Sequence[float], vectors: Sequence[T]) -> T:
        """`sum_i coefficients[i] * vectors[i]`, a new tensor."""

    def multiply(self, a: T, b: T) -> T:
        """`a * b` element by element, a new tensor."""

    def whiten(self, a: T, b: T, epsilon: float) -> T:
        """`a / (sqrt(b) + epsilon)` element by element, b >= 0, a new tensor (Adam's preconditioner)."""

    def clip(self, a: T, low: float, high: float) -> T:
        """`a` limited to [low, high], a new tensor; NaN stays NaN."""


class VectorSpace(Arithmetic[T], Protocol[T]):
    """Arithmetic on pictures for the optimiser; only `dots`, `scalars` and `products` take something off the device."""

    def dots(self, pairs: Sequence[tuple[T, T]]) -> NDArray[np.float64]:
        """Inner products <a, b> of all pairs, with one synchronisation."""

    def scalars(self, values: Sequence[T]) -> NDArray[np.float64]:
        """The numbers in scalar tensors, with one synchronisation."""

    def smooth(self, a: T, power: float) -> T:
        """Each channel of (N, C, H, W) with its coarse frequencies made stronger; a symmetric linear map, a new tensor.

        With the three arrays of `nst.backends.frequencies.cosine_filter(H, W, power)`: a + rows^T (gains * (rows a
        columns^T)) columns.
        """

    def crop(self, a: T, top: int, left: int, height: int, width: int) -> T:
        """Rows `top` to `top + height` and columns `left` to `left + width` of (N, C, H, W), a new tensor."""

    def paste(self, total: T, tile: T, top: int, left: int) -> T:
        """`total` with `tile` added from row `top` and column `left` on; may reuse the memory of `total`."""

    def stack(self, rows: int, like: T, half: bool) -> T:
        """Memory for `rows` vectors shaped like `like`, (1, ...): zeros (rows, ...), in float16 with `half`."""

    def put(self, stack: T, row: int, vector: T, factor: float) -> T:
        """`stack` with `factor * vector`, (1, ...), as that row; may reuse the memory of `stack`."""

    def products(self, stack: T, vectors: Sequence[T]) -> NDArray[np.float64]:
        """Inner products of k vectors with the rows of a stack and then with each other, (rows + k, k).

        Computed in full precision, whatever the stack is kept in, with one synchronisation.
        """

    def combine(self, coefficients: Sequence[float], stack: T) -> T:
        """`sum_i coefficients[i] * stack[i]`, (1, ...), a new tensor in full precision."""


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
class Costs:
    """What a backend needs on a CPU, measured by `benchmarks/run.py memory`; the default is a cautious guess.

    Attributes:
        process: bytes before any picture, framework included.
        copies: how many times the weights are in memory.
        maps: peak memory of forward and backward pass over the bytes of all feature maps.
        pass_1: what the first pass over windows adds to that.
        history: memory of L-BFGS's pairs, with the copies that are made to multiply them, over the pairs alone.
        coarser: what `copies` has more after a coarser size, whose memory comes back late or in pieces.
    """

    process: int = 500 * 2**20
    copies: float = 2.0
    maps: float = 3.0
    pass_1: float = 0.5
    history: float = 2.0
    coarser: float = 0.0


@dataclass(frozen=True)
class Capabilities:
    """What a backend declares about itself; tests skip by this and never by name.

    Attributes:
        dtypes: data types of pictures, statistics and losses, the default first.
        precisions: data types that the network alone can compute in besides `dtypes` ("bfloat16", "float16").
        devices: kinds of device that it supports in principle ("cpu", "cuda", "mps").
        deterministic: the same call twice on a CPU gives the same bits.
        costs: memory that it takes, for the plan of a run.
    """

    dtypes: tuple[str, ...]
    precisions: tuple[str, ...]
    devices: tuple[str, ...]
    deterministic: bool
    costs: Costs = Costs()


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


def in_precision(backend: Backend[T], precision: str) -> Backend[T]:
    """The same backend with networks in `precision` ("bfloat16"); itself where it has them already."""
    if backend.precision == precision:
        return backend
    return type(backend)(device=backend.device, dtype=backend.dtype, precision=precision)
