"""CUDA devices that are none: what PyTorch would refuse there, and what it would wait for, shows on a CPU build.

A tensor "on cuda:1" has its numbers on the CPU, so that whole runs are made. Each operation on it is put to
FakeTensorMode first, which is PyTorch's own account of what a device takes and where the result lies: operands of two
devices are an error, and what needs numbers on the host to go on (`item`, `nonzero`) is noted as a wait. Then the CPU
computes it. Streams and recordings are those of `torch.cuda`, with the driver's part played here: an operation is in a
graph if its device's current stream is being captured, a graph is replayed on the tensors that it was captured with,
and what waits for the device is not permitted meanwhile.
"""

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode

COPIES = {torch.ops.aten._to_copy.default: 0, torch.ops.aten.copy_.default: 1}
"""Operations that may have tensors of two devices, and which argument is copied from."""

RULES, RULES_LOCK = FakeTensorMode(), threading.Lock()
KNOWN = {}
"""What the rules said of an operation on such operands."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Event:
    """Something for which the host waits."""

    kind: str  # "to host", "to device", "wait"
    where: str  # the function of nst
    device: str


class Pretended(torch.Tensor):
    """`held` has the numbers. To autograd it lies on "meta", since a CPU build differentiates nothing on CUDA."""

    @staticmethod
    def __new__(cls, held, place):
        like = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, device="meta", **like)

    def __init__(self, held, place):
        self.held, self.place = held, place

    @property
    def device(self):
        return self.place

    @property
    def data(self):
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, other):  # a module that is moved or cast sets it
        torch.Tensor.data.__set__(self, other)
        self.held, self.place = other.held, other.place

    @property
    def is_cuda(self):
        return True

    def __repr__(self):
        return f"Pretended({tuple(self.shape)}, {self.place})"

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), named=None):
        return HERE.operate(function, arguments, named or {})


class Everywhere(TorchDispatchMode):
    """What makes tensors out of nothing comes by here."""

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        return HERE.operate(function, arguments, named or {})


class Driver:
    """Devices, streams and captures."""

    def __init__(self, count):
        self.count, self.events, self.graphs, self.refused = count, [], [], []
        self.thread = threading.local()
        self.capturing = None
        self.lock = threading.Lock()
        self.default = [Stream(self, index) for index in range(count)]

    @property
    def current(self):
        """Of this thread: the current device, the current stream on each, where the last operation was."""
        if not hasattr(self.thread, "state"):
            self.thread.state = SimpleNamespace(device=0, streams=list(self.default), place=CPU)
        return self.thread.state

    def exchange(self, index):
        """Make a device the current one; gives the one before."""
        before, self.current.device = self.current.device, index if index >= 0 else self.current.device
        return before

    def set_stream(self, stream):
        self.current.device = stream.device.index
        self.current.streams[stream.device.index] = stream

    def capability(self, device=None):
        return (9, 0)

    def index(self, device, optional=False, allow_cpu=False):
        """A device as an index."""
        if isinstance(device, str):
            device = torch.device(device)
        if isinstance(device, torch.device):
            device = device.index
        return self.current.device if device is None else device

    def placed(self, device):
        """A device with its number. PyTorch's own code asks for "meta" where it makes a tensor like another."""
        device = torch.device(device)
        if device.type == "meta":
            return self.current.place
        if device.type != "cuda":
            return device
        assert (device.index or 0) < self.count, f"there is no {device}"
        return torch.device("cuda", self.current.device if device.index is None else device.index)

    def operate(self, function, arguments, named):
        given = [t for t in tree_leaves((arguments, named)) if isinstance(t, torch.Tensor)]
        pretended = {id(t.held): t for t in given if isinstance(t, Pretended)}
        for tensor in pretended.values():
            self.current.place = tensor.place
        if named.get("device") is not None:
            named = {**named, "device": self.placed(named["device"])}
        wanted = named.get("device", CPU)
        if not pretended and wanted.type != "cuda":
            return function(*arguments, **named)
        places = self.allowed(function, arguments, named)
        if function in COPIES and places:
            source = arguments[COPIES[function]].device
            if source.type != places[0].type:
                kind = "to host" if source.type == "cuda" else "to device"
                self.note(kind, next(d for d in (source, places[0]) if d.type == "cuda"))
        held = tree_map(lambda t: t.held if isinstance(t, Pretended) else t, (arguments, named))
        if wanted.type == "cuda":
            held[1]["device"] = CPU
        result = function(*held[0], **held[1])
        self.record(function, held, result, places)
        place = iter(places)

        def wrapped(value):
            if not isinstance(value, torch.Tensor):
                return value
            device = next(place, CPU)
            if id(value) in pretended:  # it was written into
                return pretended[id(value)]
            return Pretended(value, device) if device.type == "cuda" else value

        return tree_map(wrapped, result)

    def allowed(self, function, arguments, named):
        """Where PyTorch puts the results; RuntimeError: it does not take such operands."""
        places, device = _rule(function, tree_map(_described, (arguments, named)))
        if device is not None:
            self.note("wait", device)
        return places

    def note(self, kind, device):
        """An event; RuntimeError, as the driver's, while this thread captures."""
        self.events.append(Event(kind, _who(), str(device)))
        if self.capturing is not None and self.capturing.thread is threading.current_thread():
            self.refused.append(self.events[-1])
            raise RuntimeError(f"operation not permitted when stream is capturing: {kind} in {_who()}")

    def record(self, function, held, result, places):
        graph = self.capturing
        if graph is None or graph.thread is not threading.current_thread():
            return
        for device in {place for place in places if place.type == "cuda"}:
            stream = self.current.streams[device.index]
            assert stream is graph.stream, f"{function} on {device} is done once: {graph.stream} is captured"
        graph.operations.append((function, held, result))


class Stream:
    def __init__(self, driver, index):
        self.device = torch.device("cuda", index)

    def wait_stream(self, other):
        assert isinstance(other, Stream)


class Graph:
    """A CUDA graph: a replay computes anew into the tensors of the capture, and returns nothing."""

    def __init__(self):
        self.operations, self.replays, self.stream, self.thread = [], 0, None, None

    def capture_begin(self, *pool, capture_error_mode, check_input_liveness=False):
        with HERE.lock:
            assert HERE.capturing is None, "only one capture may be underway at a time in the process"
            HERE.capturing = self
        assert capture_error_mode == "thread_local"  # others have devices of their own
        self.thread, state = threading.current_thread(), HERE.current
        self.stream = state.streams[state.device]
        assert self.stream not in HERE.default, "the default stream cannot be captured"
        HERE.graphs.append(self)

    def capture_end(self):
        HERE.capturing = None

    def replay(self):
        assert HERE.current.device == self.stream.device.index
        self.replays += 1
        for function, (arguments, named), result in self.operations:
            again = function(*arguments, **named)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old is not new and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


HERE: Driver
"""That of `pretended`."""


def tree_map(function, values):
    """PyTorch's own takes a third of all the time here: operators have lists, tuples and words, no other containers."""
    if isinstance(values, dict):
        return {name: tree_map(function, value) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return type(values)([tree_map(function, value) for value in values])
    return function(values)


def tree_leaves(values):
    found = []
    tree_map(found.append, values)
    return found


def _described(value):
    if not isinstance(value, torch.Tensor):
        return value
    return Operand(tuple(value.shape), value.stride(), value.dtype, value.device)


@dataclass(frozen=True)
class Operand:
    """All that a rule knows of a tensor."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def fake(self):
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=self.device)


def _only_device(operands):
    (device,) = {value.device for value in tree_leaves(operands) if isinstance(value, Operand)}
    return device


def _rule(function, operands):
    """Where the results lie, and the device that is waited for if it is."""
    key = function, repr(operands)
    with RULES_LOCK:
        if key not in KNOWN:
            with RULES:
                arguments, named = tree_map(lambda v: v.fake() if isinstance(v, Operand) else v, operands)
                try:
                    found = function(*arguments, **named)
                    KNOWN[key] = [t.device for t in tree_leaves(found) if isinstance(t, torch.Tensor)], None
                except (DataDependentOutputException, DynamicOutputShapeException) as error:
                    device = _only_device(operands)
                    number = isinstance(error, DataDependentOutputException)
                    KNOWN[key] = [] if number else [device], device
                except RuntimeError as error:
                    if "not linked with support for cuda" not in str(error):
                        raise
                    KNOWN[key] = (
                        [_only_device(operands)],
                        None,
                    )  # of random numbers it has no rule in this build
        return KNOWN[key]


def _who():
    """The function of nst that is at it."""
    frame, functions = sys._getframe(1), []
    while frame is not None:
        folders = Path(frame.f_code.co_filename).parts[-4:-1]
        if {"backends", "nst"} & set(folders) and "tests" not in folders:
            functions.append(frame.f_code.co_name)
        frame = frame.f_back
    return next((name for name in functions if not name.startswith("<")), "?")


@contextmanager
def pretended(count=2):
    """So many CUDA devices while it lasts; gives the `Driver`, whose `events` are what the host waited for."""
    global HERE
    driver = HERE = Driver(count)
    run = threading.Thread.run

    def run_with_devices(thread):
        with Everywhere():
            run(thread)

    plain_to = torch.Tensor.to

    def to(tensor, *arguments, **named):
        """This build asks the device itself which one "cuda" is."""
        given = [driver.placed(a) if str(a) == "cuda" else a for a in arguments]
        return plain_to(tensor, *given, **named)

    cuda = torch.cuda
    replaced = {
        "device_count": lambda: count,
        "get_device_capability": driver.capability,
        "current_device": lambda: driver.current.device,
        "_get_device_index": driver.index,
        "_exchange_device": driver.exchange,
        "_maybe_exchange_device": driver.exchange,
        "set_stream": driver.set_stream,
        "current_stream": lambda device=None: driver.current.streams[driver.index(device)],
        "Stream": lambda device=None: Stream(driver, driver.index(device)),
        "synchronize": lambda device=None: driver.note("wait", f"cuda:{driver.index(device)}"),
        "empty_cache": lambda: None,
        "CUDAGraph": Graph,
        "_lazy_init": lambda: None,
    }
    with (
        mock.patch.multiple(cuda, **replaced),
        mock.patch.object(torch._C, "_host_emptyCache", create=True),
        mock.patch.object(cuda.graph, "default_capture_stream", None),
        mock.patch.object(threading.Thread, "run", run_with_devices),
        mock.patch.object(torch.Tensor, "to", to),
        Everywhere(),
    ):
        # `torch.tensor` makes its own on the CPU and brings them over
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            yield driver
        finally:
            torch._C._set_only_lift_cpu_tensors(False)
