"""CUDA graphs: forward and backward pass recorded once and replayed, so that launching kernels takes no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import TypeAlias

import torch
from torch import Tensor

from nst.protocol import Evaluation, Objective

Run: TypeAlias = Callable[[], Evaluation[Tensor]]
Record: TypeAlias = Callable[[Run], Run]
"""Takes a function whose tensors stay where they are; gives one that does the same to the same tensors, only faster."""

_recording = Lock()
"""PyTorch records one graph of a process at a time; each device may have a thread."""


def record_on_cuda(run: Run, device: str) -> Run:
    """A CUDA graph of `run`. The evaluation that its replay returns is always the same tensors, written anew.

    RuntimeError: something in `run` cannot be recorded.
    """
    with _recording, torch.cuda.device(device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries set themselves up for a stream at its first use
            run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # without a stream it takes one of the device that was recorded on first; other threads have their own devices
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            evaluation = run()

    def replay() -> Evaluation[Tensor]:
        with torch.cuda.device(device):
            graph.replay()
        return evaluation

    return replay


class GraphedObjective:
    """See `nst.protocol.Objective`. The second call records (by `record_on_cuda` or a stand-in), later ones replay.

    Where recording fails, or a picture or a constant of another shape comes in, the plain objective computes.
    """

    def __init__(self, plain: Objective[Tensor], record: Record) -> None:
        self._plain = plain
        self._record = record
        self._calls = 0
        self._replay: Run | None = None
        self._inputs: dict[str, Tensor] = {}
        self._given: dict[str, Tensor] = {}

    def __call__(self, x: Tensor, constants: Mapping[str, Tensor]) -> Evaluation[Tensor]:
        self._calls += 1
        given = {"": x, **constants}
        if self._calls == 2:
            self._start(given)
        if self._replay is None or not self._fits(given):
            return self._plain(x, constants)
        for name, tensor in given.items():
            if tensor is not self._given[name]:  # constants seldom change
                self._inputs[name].copy_(tensor)
        self._given = given
        seen = self._replay()
        terms = {name: term.clone() for name, term in seen.terms.items()}
        return Evaluation(seen.total.clone(), terms, seen.gradient.clone())

    def _start(self, given: dict[str, Tensor]) -> None:
        self._inputs = {name: tensor.detach().clone() for name, tensor in given.items()}
        picture, constants = self._inputs[""], {n: t for n, t in self._inputs.items() if n}
        try:
            self._replay = self._record(lambda: self._plain(picture, constants))
        except RuntimeError:  # an operation that waits for the device, or too little memory for a second copy
            self._inputs = {}
        self._given = given

    def _fits(self, given: Mapping[str, Tensor]) -> bool:
        shapes = {name: tensor.shape for name, tensor in self._inputs.items()}
        return shapes == {name: tensor.shape for name, tensor in given.items()}
