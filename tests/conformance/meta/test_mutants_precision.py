"""A backend whose network computes in float16 passes; one that computes more than its network in float16 is caught."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend
from nst.backends.numpy.kernels import NumpyKernels
from nst.backends.numpy.network import NumpyNetwork
from nst.conformance import Subject, case
from nst.conformance.compare import NETWORK, tolerance
from nst.engine.loss_scaling import ScaledObjective


def half(array):
    return array.astype(np.float16).astype(array.dtype)


@dataclass(frozen=True)
class HalfNetwork(NumpyNetwork):
    """Feature maps are rounded to float16; their gradients pass as they are."""

    def __call__(self, ops, x):
        maps = super().__call__(ops, x)
        return {name: ops.transform(node, self.round, lambda g: g) for name, node in maps.items()}

    @staticmethod
    def round(array):
        return half(array)


class Half(NumpyBackend):
    capabilities = replace(NumpyBackend.capabilities, precisions=("float16",))
    made = HalfNetwork

    def __init__(self, device="auto", dtype="float32", precision="float16"):
        super().__init__(device, dtype, precision)

    def network(self, weights, layers, pooling):
        weights.require(tuple(layers))
        return self.made(weights, tuple(layers), pooling, self.dtype)


class NotCastBack(HalfNetwork):
    @staticmethod
    def round(array):
        return array.astype(np.float16)


class FeaturesInHalf(Half):
    made = NotCastBack


class OfThatSize(Half):
    """The network in float16 where it is asked for, as it is in between sizes."""

    coarse = HalfNetwork

    def __init__(self, device="auto", dtype="float32", precision=None):
        super().__init__(device, dtype, precision)
        self.made = self.coarse if self.precision == "float16" else NumpyNetwork


class TwoBits(HalfNetwork):
    @staticmethod
    def round(array):
        mantissa, exponent = np.frexp(array)
        return np.ldexp(np.round(4 * mantissa) / 4, exponent).astype(array.dtype)


class CoarseSizesInLess(OfThatSize):
    coarse = TwoBits


class LastSizeInHalf(OfThatSize):
    def __init__(self, device="auto", dtype="float32", precision=None):
        super().__init__(device, dtype, precision)
        self.made = HalfNetwork


class HalfGram(NumpyKernels):
    def gram(self, features):
        return half(super().gram(features))


class GramInHalf(Half):
    kernels = HalfGram()


class HalfSum(NumpyKernels):
    def sum(self, a):
        return half(super().sum(a))


class LossInHalf(Half):
    kernels = HalfSum()


CASES = ["precision/types", "precision/gram", "precision/loss", "gradient/whole/avg", "features/avg/conv5_1"]


@pytest.mark.parametrize("case_id", CASES)
def test_a_network_in_half_passes(run, case_id):
    assert run(Half(), case_id).status == "passed"


def test_half_below_the_last_size_passes(run):
    assert run(OfThatSize(), "precision/sizes/fp16").status == "passed"
    assert run(OfThatSize(), "precision/sizes/bf16").status == "skipped"
    assert run(NumpyBackend(), "precision/sizes/fp16").status == "skipped"


@pytest.mark.parametrize(
    ("mutant", "said"),
    [(CoarseSizesInLess, "total of record 2: got"), (LastSizeInHalf, "total of record 6 in float64: got")],
)
def test_a_size_in_another_precision_is_caught(run, mutant, said):
    result = run(mutant(), "precision/sizes/fp16")
    assert (result.status, result.message[: len(said)]) == ("failed", said)


@pytest.mark.parametrize(
    ("mutant", "case_id"),
    [
        (FeaturesInHalf, "precision/types"),
        (GramInHalf, "precision/gram"),
        (LossInHalf, "precision/loss"),
        (LossInHalf, "loss/tv/squares"),
    ],
)
def test_more_than_the_network_in_half_is_caught(run, mutant, case_id):
    assert run(mutant(), case_id).status == "failed"


class NotUnscaled(ScaledObjective):
    def __call__(self, x, constants):
        evaluation = super().__call__(x, constants)
        return replace(evaluation, gradient=self.scale * evaluation.gradient)


def test_a_gradient_that_is_not_unscaled_is_caught(run, monkeypatch):
    def compile_objective(backend, *arguments):
        wrong = backend.precision == "float16"
        return NotUnscaled(backend, *arguments) if wrong else backend.compile(*arguments)

    monkeypatch.setattr(case, "compile_objective", compile_objective)
    result = run(Half(), "gradient/whole/avg")
    assert (result.status, "gradient" in result.message) == ("failed", True)


def test_limits_are_those_of_the_network_for_what_it_computes_and_of_the_data_type_for_the_rest():
    assert tolerance("float32", "features", "bfloat16") == NETWORK["bfloat16"]["features"]
    assert tolerance("float32", "primitive", "bfloat16") == tolerance("float32", "primitive")
    assert tolerance("float32", "deep gradient") == tolerance("float32", "gradient")
    assert Subject(Half()).compare("features", 1.0, 1.01, "features").limit > 1e-3
