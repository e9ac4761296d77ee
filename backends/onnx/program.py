"""Compiled ONNX graphs, and tensors on their way to the device and back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import Any

import onnxruntime as ort

from nst.backends.selection import parse_device
from nst.protocol import HostArray

Tensor = Any  # onnxruntime.OrtValue


class Program:
    """A compiled graph on "cpu" or "cuda:N". Inputs and outputs are `OrtValue`s that stay on the device.

    A `small` one, of a few nodes, runs on one thread; others have as many as OMP_NUM_THREADS says, or else as there are
    cores. On the CPU all share their memory: what one size of a run has taken is there for the next.
    """

    def __init__(self, model: bytes, device: str, small: bool = False) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1 if small else _threads()
        if parse_device(device)[0] == "cpu":
            _share_memory()
            options.add_session_config_entry("session.use_env_allocators", "1")
            options.enable_mem_pattern = False  # one block for a whole run, which other sizes have no use for
        else:
            options.enable_mem_pattern = not small
        self.session = ort.InferenceSession(model, options, _providers(device))
        self._device = parse_device(device)
        self._run_options = _first_run() if self._device[0] == "cpu" and not small else None
        self._inputs = [value.name for value in self.session.get_inputs()]
        self._outputs = [value.name for value in self.session.get_outputs()]

    def __call__(
        self, feeds: Mapping[str, Tensor], into: Mapping[str, Tensor] = MappingProxyType({})
    ) -> dict[str, Tensor]:
        """The outputs by name; those of `into` are written there, which may be an input that is scattered into."""
        # a new binding each time: one that is run again writes into the tensors that it returned before
        binding = self.session.io_binding()
        for name in self._inputs:
            binding.bind_ortvalue_input(name, feeds[name])
        for name in self._outputs:
            if name in into:
                binding.bind_ortvalue_output(name, into[name])
            else:
                binding.bind_output(name, *self._device)
        if self._run_options is not None:
            _trim()
        self.session.run_with_iobinding(binding, self._run_options)
        self._run_options = None
        # what was bound stays itself: on the CPU it owns the memory
        return {**dict(zip(self._outputs, binding.get_outputs(), strict=True)), **into}


def _trim() -> None:
    """Give the system back what graphs took while they were made, several times their filters: glibc keeps it."""
    with suppress(OSError, TypeError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _first_run() -> ort.RunOptions:
    """Memory that nobody uses any more, such as that of other sizes, goes back to the system."""
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@cache
def _share_memory() -> None:
    """Once in a process; a program around this one may have done it."""
    kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
    grown_by_need = ort.OrtArenaCfg({"arena_extend_strategy": 1})
    with suppress(RuntimeError):
        ort.create_and_register_allocator(place, grown_by_need)


def _threads() -> int:
    """What the other frameworks take from the environment by themselves; 0 for as many as there are cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() else 0


def to_host(tensor: Tensor) -> HostArray:
    """The tensor's numbers; on the CPU a view."""
    array: HostArray = tensor.numpy()
    return array


def to_device(array: HostArray, device: str) -> Tensor:
    """On the CPU the result is a view of `array`, which must be nobody else's."""
    return ort.OrtValue.ortvalue_from_numpy(array, *parse_device(device))


def _providers(device: str) -> list[Any]:
    kind, index = parse_device(device)
    cuda = [("CUDAExecutionProvider", {"device_id": index, "use_tf32": 0})] if kind == "cuda" else []
    return [*cuda, "CPUExecutionProvider"]
