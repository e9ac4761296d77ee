"""`StyleTransfer.save` and `resume`: the picture of a run that was cut off is that of one that was not, bit for bit."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import nst
from nst.checkpoint import read_checkpoint
from nst.engine.loss_scaling import LossScale
from nst.losses import Content
from nst.optim.lbfgs import LBFGSState
from nst.planning import Plan

SMALL = {"size": 48, "steps": 9, "scales": [24, 32], "style_layers": "conv1_1,conv2_1,conv3_1"}
SHALLOW = {**SMALL, "content_layers": "conv3_1"}
# windows of 48 pixels, of a picture of 80x60, and a history in float16
WINDOWS = {**SHALLOW, "size": 80, "scales": 1, "steps": 5, "tile": 48, "style_layers": "conv1_1,conv2_1"}
CASES = {
    "pyramid": SHALLOW,
    "adam": {**SHALLOW, "optimizer": "adam", "scales": 1},
    "average": {**SHALLOW, "average": 0.6},
    "adam and average": {**SHALLOW, "optimizer": nst.Adam(rate=0.05), "average": 0.6},
    "short history": {**SHALLOW, "optimizer": nst.LBFGS(history=2), "scales": 1},
    "float16 history": {**SHALLOW, "memory": Plan(None, 4, True, 0, 0)},
    "windows": {**WINDOWS, "content_layers": "conv2_1"},
    "windows and margin": {**WINDOWS, "content_layers": "conv2_1", "padding": "replicate", "tv_weight": 0.1},
    "noise": {**SHALLOW, "init": "noise", "seed": 3},
    "colours": {**SHALLOW, "color": "match-chol", "smoothing": True},
    "zero steps": {**SHALLOW, "steps": [0, 3, 0]},
}


def bits(record):
    return record.raw_picture().rgb.tobytes()


@pytest.fixture
def made(pictures, small_network):
    """made(backend, **options): a transfer of the small pictures."""

    def make(backend="numpy", **options):
        return nst.StyleTransfer(
            pictures.content, pictures.style, backend=backend, weights=small_network, **{**SHALLOW, **options}
        )

    return make


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("case", CASES)
def test_the_bits_of_a_run_that_was_not_cut_off(case, backend, made, small_network, need, tmp_path):
    need(backend)
    transfer = made(backend, **CASES[case])
    whole = list(transfer.iterate())
    for number, _ in enumerate(transfer.iterate()):
        transfer.save(tmp_path / f"{number}.nst")
    for number in range(1, len(whole), 3):
        again = nst.StyleTransfer.resume(tmp_path / f"{number}.nst", weights=small_network)
        rest = list(again.iterate())
        later = whole[number:]
        assert [one.step for one in rest] == [one.step for one in later]
        assert [one.losses() for one in rest] == [one.losses() for one in later]
        assert [one.settings for one in rest] == [one.settings for one in later]
        assert bits(rest[-1]) == bits(whole[-1])


@pytest.mark.parametrize("backend", ["onnx", "tf"])
def test_on_the_other_backends(backend, made, small_network, need, tmp_path):
    need(backend)
    transfer = made(backend, steps=6, scales=[32])
    whole = list(transfer.iterate())
    for record in transfer.iterate():
        if record.step == 4:
            transfer.save(tmp_path / "saved.nst")
    *_, last = nst.StyleTransfer.resume(tmp_path / "saved.nst", weights=small_network).iterate()
    assert bits(last) == bits(whole[-1])
