"""Feature maps in half precision, as PyTorch's network hands them over: what losses make of them is in float32."""

from importlib import import_module

import numpy as np
import pytest


@pytest.fixture
def ops(torch):
    return import_module("nst.backends.torch.ops")


def maps(torch, dtype, seed=0):
    """(2, 5, 9, 7), channels last in memory."""
    made = np.random.default_rng(seed).uniform(0, 2, (2, 5, 9, 7))
    return torch.tensor(made).to(getattr(torch, dtype)).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("strip", [4, 63, 8192])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_gram_matrix_is_summed_in_float32(torch, ops, monkeypatch, dtype, strip):
    monkeypatch.setattr(ops, "STRIP", strip)
    x = maps(torch, dtype)
    flat = x.double().numpy().reshape(2, 5, 63)
    got = ops.TorchOps().gram(x)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), flat @ flat.transpose(0, 2, 1), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "limit"), [("bfloat16", 2e-2), ("float16", 2e-3), ("float32", 1e-6)])
def test_its_gradient_has_the_precision_of_the_maps(torch, ops, dtype, limit):
    x, pull = maps(torch, dtype).requires_grad_(), np.random.default_rng(1).normal(size=(2, 5, 5))
    (ops.TorchOps().gram(x) * torch.tensor(pull, dtype=torch.float32)).sum().backward()
    flat = x.detach().double().numpy().reshape(2, 5, 63)
    want = ((pull + pull.transpose(0, 2, 1)) @ flat).reshape(2, 5, 9, 7)
    assert x.grad.dtype == x.dtype
    np.testing.assert_allclose(x.grad.double().numpy(), want, atol=limit * np.abs(want).max())


def test_a_gradient_above_the_range_of_float16_is_multiplied_in_float32(torch, ops):
    """80000 / 1024 is 78; 80000 itself is none of its numbers."""
    x = torch.full((1, 1, 1, 1), 1 / 1024, dtype=torch.float16).requires_grad_()
    (ops.TorchOps().gram(x) * 40_000.0).sum().backward()
    assert x.grad.item() == 78.125


def test_all_else_widens_them_first(torch, ops):
    """1.0078125 is a number of bfloat16; a third of it, and its square, are not."""
    own, x = ops.TorchOps(), torch.full((1, 1, 1, 2), 1.0078125, dtype=torch.bfloat16)
    assert own.square(x)[0, 0, 0, 0].item() == 1.01568603515625
    assert own.scale(x, 1 / 3)[0, 0, 0, 0].item() == pytest.approx(1.0078125 / 3, rel=1e-7)
    assert own.channel_sum(x).item() == 2.015625
    assert own.multiply(x, x).dtype == own.sub(x, x).dtype == torch.float32


def test_a_mask_without_loss_leaves_them_half(torch, ops):
    own, x = ops.TorchOps(), torch.full((1, 2, 1, 3), 1.0078125, dtype=torch.bfloat16)
    border = own.modulate(x, torch.tensor([0.0, 1.0, 0.5]).reshape(1, 1, 1, 3))
    assert (border.dtype, border[0, 0, 0].tolist()) == (torch.bfloat16, [0, 1.0078125, 0.50390625])
    soft = own.modulate(x, torch.tensor([0.0, 1.0, 1 / 3]).reshape(1, 1, 1, 3))
    assert soft.dtype == torch.float32
    assert soft[0, 0, 0, 2].item() == pytest.approx(1.0078125 / 3, rel=1e-7)
    assert own.modulate(x.float(), x.new_ones(1, 1, 1, 3).double()).dtype == torch.float64


def test_the_network_keeps_them_half_and_its_module_does_not(torch, ops, small_network):
    backend = import_module("nst.backends").get_backend("torch", "cpu", precision="bfloat16")
    network = backend.network(small_network, ["conv2_1"], "avg")
    x = backend.from_numpy(np.full((1, 3, 8, 8), 0.5, np.float32))
    half, whole = network(backend.ops, x)["conv2_1"], network.native(x)["conv2_1"]
    assert (half.dtype, whole.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(half.float(), whole, rtol=0, atol=0)
    out = backend.evaluate(lambda ops, x, _: network(ops, x), x, {})["conv2_1"]
    assert backend.to_numpy(out).dtype == np.float32
