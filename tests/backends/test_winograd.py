"""Winograd's convolution on the CPU against PyTorch's own in float64."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest


@pytest.fixture
def module(torch):
    return import_module("nst.backends.torch.winograd")


def convolution(torch, channels=64, outputs=96):
    torch.manual_seed(0)
    made = torch.nn.Conv2d(channels, outputs, 3, padding=1).requires_grad_(False)
    made.weight *= 3.0  # so that an output is as large as an input
    return made


def everywhere(module, monkeypatch):
    """Whatever the width of the convolution and the size of the map."""
    own = {number: replace(tiling, narrowest=1, fewest=1) for number, tiling in module.TILINGS.items()}
    for kind, tiling in module.FORWARD.items():
        monkeypatch.setitem(module.FORWARD, kind, own[tiling.square])
        monkeypatch.setitem(module.BACK, kind, own[module.BACK[kind].square])
    monkeypatch.setattr(module, "TILINGS", own)


def both(torch, module, shape, dtype, outputs=96):
    """Output and gradient of the picture, ours and PyTorch's in float64."""
    plain = convolution(torch, shape[1], outputs).to(dtype)
    own = module.WinogradConv2d.like(plain)
    x = torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    pull = torch.randn(shape[0], outputs, *shape[2:]).to(dtype)
    y = own(x)
    (gradient,) = torch.autograd.grad((y * pull).sum(), x)
    exact = torch.nn.functional.conv2d(x.double(), plain.weight.double(), plain.bias.double(), padding=1)
    (want,) = torch.autograd.grad((exact * pull.double()).sum(), x)
    return (y, gradient), (exact, want)


@pytest.mark.parametrize("shape", [(1, 64, 16, 16), (2, 64, 13, 22), (1, 96, 7, 9), (3, 64, 5, 4)])
@pytest.mark.parametrize("strip", [1, 100_000, 8_000_000])  # a row of tiles at once, some, all
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 4e-5), ("bfloat16", 2e-2)])
def test_a_convolution_and_its_adjoint(torch, module, monkeypatch, shape, strip, dtype, limit):
    """With some five times the error of PyTorch's own in float32, and twice that in bfloat16."""
    monkeypatch.setattr(module, "STRIP", (strip, strip))
    everywhere(module, monkeypatch)
    ours, exact = both(torch, module, shape, getattr(torch, dtype))
    for got, want in zip(ours, exact, strict=True):
        assert got.shape == want.shape
        assert got.is_contiguous(memory_format=torch.channels_last)
        error = (got.detach().double() - want.detach()).abs().max() / want.detach().abs().max()
        assert error < limit


@pytest.mark.parametrize(("dtype", "tiling"), [("float64", "F4"), ("float64", "F2"), ("bfloat16", "F2")])
def test_one_tile_by_hand(torch, module, dtype, tiling):
    """A single 1 in the picture and a single 1 in the filter; powers of two are exact in bfloat16."""
    x = torch.zeros(1, 1, 4, 4, dtype=getattr(torch, dtype))
    x[0, 0, 1, 2] = 1.0
    weight = torch.zeros(1, 1, 3, 3, dtype=x.dtype)
    weight[0, 0, 0, 2] = 4.0  # y[i, j] = 4 x[i - 1, j + 1]
    y = module.winograd(x, module.transformed(weight, getattr(module, tiling)), torch.ones(1, dtype=x.dtype))
    want = np.ones((4, 4))
    want[2, 1] = 5.0
    np.testing.assert_allclose(y[0, 0].double().numpy(), want, atol=1e-12)


def test_where_it_does_not_apply_it_is_an_ordinary_convolution(torch, module, monkeypatch):
    def never(*_):
        raise AssertionError

    plain = convolution(torch, 128, 128)
    own, trained = module.WinogradConv2d.like(plain), module.WinogradConv2d.like(convolution(torch, 128, 128))
    trained.weight.requires_grad_()
    monkeypatch.setattr(module, "winograd", never)
    monkeypatch.setattr(module, "transformed", never)  # takes a while, here for nothing
    few, empty, wide = (torch.randn(1, 128, *size) for size in ((8, 20), (2, 99), (16, 16)))
    for small in (few, empty):  # 10 tiles; tiles that are half empty
        torch.testing.assert_close(own(small), plain(small), rtol=0, atol=0)
    loss = trained(wide).square().sum()
    loss.backward()
    assert trained.weight.grad.abs().sum() > 0
    half = module.WinogradConv2d.like(convolution(torch, 128, 128)).double()
    assert half(wide.double()).dtype == torch.float64
    exported = torch.export.export(own, (wide,)).module()  # a program of PyTorch's own operators
    torch.testing.assert_close(exported(wide), plain(wide), rtol=0, atol=1e-5)
    with pytest.raises(AssertionError):
        own(wide)


def test_maps_in_bfloat16_have_it_in_the_deep_layers_alone_and_gradients_in_all(torch, module, monkeypatch):
    """What is multiplied out, forward and back."""
    seen = []

    def watched(x, filters, bias=None, winograd=module.winograd):
        seen.append(filters.shape[1:])
        return winograd(x, filters, bias)

    monkeypatch.setattr(module, "winograd", watched)
    for channels, expected in ((256, [(512, 256)]), (512, [(512, 512)] * 2)):
        own = module.WinogradConv2d.like(convolution(torch, channels, 512).bfloat16())
        x = torch.randn(1, channels, 40, 40).bfloat16().requires_grad_()
        own(x).float().sum().backward()
        assert seen == expected
        seen.clear()


def test_a_rectifier_may_work_in_its_output(torch, module, monkeypatch):
    everywhere(module, monkeypatch)
    own, x = module.WinogradConv2d.like(convolution(torch)), torch.randn(1, 64, 9, 8, requires_grad=True)
    relu = torch.nn.functional.relu
    apart, inside = (torch.autograd.grad(relu(own(x), inplace).sum(), x)[0] for inplace in (False, True))
    assert torch.equal(apart, inside)


def test_new_weights_are_noticed(torch, module):
    own, x = module.WinogradConv2d.like(convolution(torch, 128, 128)), torch.randn(1, 128, 16, 16)
    before = own(x)
    with torch.no_grad():
        own.weight.mul_(2.0)
        own.bias.zero_()
    want = torch.nn.functional.conv2d(x, own.weight, padding=1)
    assert (before - want).abs().max() > 0.1
    assert (own(x) - want).abs().max() < 4e-5 * want.abs().max()


def test_the_network_of_a_cpu_has_it(torch, module, monkeypatch, need):
    """In bfloat16 if the processor multiplies vectors of it, and no matrices, whatever it is here."""
    from nst.backends import get_backend
    from nst.models.random import random_weights

    weights = random_weights(0, depth="conv3_2")
    vectors, matrices = (f"_is_{name}_supported" for name in ("avx512_bf16", "amx_tile"))
    for has_vectors, has_matrices, settings, expected in (
        (True, False, {}, ["conv2_2", "conv3_1", "conv3_2"]),
        (True, False, {"dtype": "float64"}, []),
        (True, False, {"precision": "bfloat16"}, ["conv3_1", "conv3_2"]),
        (True, False, {"precision": "bfloat16", "dtype": "float64"}, ["conv3_1", "conv3_2"]),
        (True, True, {"precision": "bfloat16"}, []),
        (False, False, {"precision": "bfloat16"}, []),
        (True, False, {"precision": "float16"}, []),
    ):
        monkeypatch.setattr(torch.cpu, vectors, lambda yes=has_vectors: yes, raising=False)
        monkeypatch.setattr(torch.cpu, matrices, lambda yes=has_matrices: yes, raising=False)
        native = get_backend("torch", "cpu", **settings).network(weights, ["conv3_2"], "avg").native
        found = [n for n, m in native.named_children() if isinstance(m, module.WinogradConv2d)]
        assert found == expected
        names = [name for name, _ in native.named_parameters()]
        assert names[:2] == ["conv1_1.weight", "conv1_1.bias"]
        assert len(names) == 12
