"""Backends that are wrong in one thing outside the primitives: each is failed by the case that is named for it."""

from dataclasses import replace

import numpy as np
import pytest

from nst.backends.numpy.backend import NumpyBackend, NumpyObjective
from nst.backends.numpy.network import NumpyNetwork
from nst.backends.tape import TapeOps
from nst.errors import BackendError


class Wrapped(NumpyBackend):
    """Passes every evaluation of an objective through `change`."""

    def compile(self, function, like, constants):
        objective = super().compile(function, like, constants)
        return lambda x, c: self.change(objective, x, c)

    def change(self, objective, x, constants):
        return objective(x, constants)


class GradientScaled(Wrapped):
    """The loss is right, its gradient is 1 % too long."""

    def change(self, objective, x, constants):
        evaluation = objective(x, constants)
        return replace(evaluation, gradient=1.01 * evaluation.gradient)


class GradientTransposed(Wrapped):
    def change(self, objective, x, constants):
        evaluation = objective(x, constants)
        return replace(evaluation, gradient=evaluation.gradient[:, ::-1])


class GradientAccumulates(Wrapped):
    def compile(self, function, like, constants):
        self.total = 0.0
        return super().compile(function, like, constants)

    def change(self, objective, x, constants):
        evaluation = objective(x, constants)
        self.total = self.total + evaluation.gradient
        return replace(evaluation, gradient=self.total)


class GradientBufferReused(Wrapped):
    buffers: dict[tuple[int, ...], np.ndarray] = {}  # noqa: RUF012  # shared on purpose

    def change(self, objective, x, constants):
        evaluation = objective(x, constants)
        buffer = self.buffers.setdefault(x.shape, np.empty_like(x))
        buffer[...] = evaluation.gradient
        return replace(evaluation, gradient=buffer)


class ConstantsOfCompile(NumpyBackend):
    def compile(self, function, like, constants):
        objective = super().compile(function, like, constants)
        return lambda x, _: objective(x, constants)


class ConstantsOfTheFirstCompile(NumpyBackend):
    first = None

    def compile(self, function, like, constants):
        objective = super().compile(function, like, constants)
        self.first = self.first or constants
        return lambda x, _: objective(x, self.first)


class ZerosForAMissingGradient(NumpyBackend):
    def compile(self, function, like, constants):
        objective = super().compile(function, like, constants)

        def call(x, c):
            try:
                return objective(x, c)
            except ValueError:
                ops = TapeOps(self.kernels)
                total, _ = function(ops, ops.variable(x), {k: ops.constant(v) for k, v in c.items()})
                return type("E", (), {"total": total.value, "terms": {}, "gradient": np.zeros_like(x)})

        return call


class InputScaledInPlace(Wrapped):
    def change(self, objective, x, constants):
        evaluation = objective(x, constants)
        np.clip(x, 0.1, 0.9, out=x)
        return evaluation


class DifferentBits(Wrapped):
    calls = 0

    def change(self, objective, x, constants):
        self.calls += 1
        evaluation = objective(x, constants)
        return replace(evaluation, gradient=evaluation.gradient * (1 + 1e-15 * self.calls))


class TermsWeighted(Wrapped):
    def change(self, objective, x, constants):
        evaluation = objective(x, constants)
        return replace(evaluation, terms={name: 0.2 * term for name, term in evaluation.terms.items()})


class LayerDetached(NumpyBackend):
    """conv3_1 gives its values and no gradient."""

    def network(self, weights, layers, pooling):
        network = super().network(weights, layers, pooling)

        def call(ops, x):
            maps = network(ops, x)
            return {k: ops.constant(v.value) if k == "conv3_1" else v for k, v in maps.items()}

        call.native = network.native
        return call


class ChannelsSwapped(NumpyBackend):
    """The first convolution sees BGR."""

    def network(self, weights, layers, pooling):
        weight, bias = weights.convolutions["conv1_1"]
        swapped = {**weights.convolutions, "conv1_1": (weight[:, ::-1], bias)}
        return super().network(replace(weights, convolutions=swapped), layers, pooling)


class MeanIgnored(NumpyBackend):
    def network(self, weights, layers, pooling):
        return super().network(replace(weights, mean=(0.0, 0.0, 0.0)), layers, pooling)


class MaxForAveragePooling(NumpyBackend):
    def network(self, weights, layers, pooling):
        return super().network(weights, layers, "max")


class AllLayersReturned(NumpyBackend):
    def network(self, weights, layers, pooling):
        return NumpyNetwork(weights, weights.layer_names[:8], pooling, self.dtype)


class HeightAndWidthSwapped(NumpyBackend):
    """Consistently, so that what goes in comes out."""

    def from_numpy(self, array):
        return super().from_numpy(array.swapaxes(2, 3) if array.ndim == 4 else array)

    def to_numpy(self, tensor):
        return super().to_numpy(tensor.swapaxes(2, 3) if tensor.ndim == 4 else tensor)


class HostArrayShared(NumpyBackend):
    def from_numpy(self, array):
        return np.asarray(array, self.dtype)


class ResultShared(NumpyBackend):
    def to_numpy(self, tensor):
        return tensor


class AnyDataType(NumpyBackend):
    def __init__(self, device="auto", dtype=None):
        super().__init__(device, dtype if dtype in self.capabilities.dtypes else None)


class ErrorOfTwoLines(NumpyBackend):
    def __init__(self, device="auto", dtype=None):
        try:
            super().__init__(device, dtype)
        except BackendError as error:
            raise BackendError(f"{error}\nsee the manual") from error


class HalfPrecision(NumpyObjective):
    def __call__(self, x, constants):
        return super().__call__(x.astype(np.float16).astype(x.dtype), constants)


class PictureInFloat16(NumpyBackend):
    def compile(self, function, like, constants):
        return HalfPrecision(function, self.kernels)


MUTANTS = [
    (GradientScaled, "gradient/whole/avg"),
    (GradientScaled, "gradient/slope/whole/avg"),
    (GradientTransposed, "gradient/whole/avg"),
    (GradientAccumulates, "state/nothing-accumulates"),
    (GradientBufferReused, "state/results-are-kept"),
    (ConstantsOfCompile, "state/constants-of-this-call"),
    (ConstantsOfTheFirstCompile, "state/two-objectives"),
    (ZerosForAMissingGradient, "gradient/missing"),
    (InputScaledInPlace, "state/inputs-are-unmodified"),
    (DifferentBits, "state/same-call-twice"),
    (TermsWeighted, "loss/whole/avg"),
    (LayerDetached, "gradient/style/all"),
    (ChannelsSwapped, "features/primary-colours"),
    (MeanIgnored, "features/avg/conv1_1"),
    (MaxForAveragePooling, "features/avg/conv2_1"),
    (AllLayersReturned, "features/just-these-layers"),
    (HeightAndWidthSwapped, "primitive/diff/height/odd"),
    (HostArrayShared, "transfer/host-array-is-copied"),
    (ResultShared, "transfer/result-is-a-copy"),
    (AnyDataType, "transfer/refuses-dtype"),
    (ErrorOfTwoLines, "transfer/refuses-device"),
    (PictureInFloat16, "loss/tv/squares"),
]


@pytest.mark.parametrize(("mutant", "case_id"), MUTANTS, ids=[f"{m.__name__}-{c}" for m, c in MUTANTS])
def test_a_wrong_backend_is_caught(run, mutant, case_id):
    assert run(NumpyBackend(), case_id).status == "passed"
    result = run(mutant(), case_id)
    assert result.status == "failed"
    assert result.message
