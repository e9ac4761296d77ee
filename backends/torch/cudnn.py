"""cuDNN's settings while nst computes: they belong to the process, and several threads may compute, each on its GPU."""

from __future__ import annotations

from threading import Lock

import torch


class CudnnSettings:
    """A context: algorithms are chosen by trying, and float32 is not rounded to TF32.

    The first thread that comes in sets that, the last one that goes out puts back what was there before.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._before = (False, True)

    def __enter__(self) -> None:
        cudnn = torch.backends.cudnn
        with self._lock:
            if self._inside == 0:
                self._before = (cudnn.benchmark, cudnn.allow_tf32)
                cudnn.benchmark, cudnn.allow_tf32 = True, False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        cudnn = torch.backends.cudnn
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                cudnn.benchmark, cudnn.allow_tf32 = self._before


cudnn_settings = CudnnSettings()
