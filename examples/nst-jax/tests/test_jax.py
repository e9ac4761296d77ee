"""The backend against nst's suite, and what the suite does not see: tracing, captured arrays, x64, JAX's own arrays."""

import gc
import os

# a second device, for pictures
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nst
from nst.conformance import BackendConformance
from nst.models.random import random_weights
from nst.pictures import from_any
from nst_jax import JaxBackend
from nst_jax.pictures import from_tensor


class TestJax(BackendConformance):
    def backend(self):
        return JaxBackend(device="cpu")


class TestFloat64(BackendConformance):
    def backend(self):
        return JaxBackend(device="cpu", dtype="float64")


LAYER = "conv2_1"


@pytest.fixture(scope="module")
def weights():
    return random_weights(0, 1 / 16, depth=LAYER)


def objective(backend, weights, x, target):
    """Squared distance of feature maps from a target, compiled, and how often it was traced."""
    network, traces = backend.network(weights, [LAYER], "avg"), []

    def function(ops, x, constants):
        traces.append(x)
        total = ops.sum(ops.square(ops.sub(network(ops, x)[LAYER], constants["target"])))
        return total, {"distance": total}

    return backend.compile(function, x, {"target": target}), traces


def pictures(backend, *seeds):
    return [backend.from_numpy(np.random.default_rng(seed).random((1, 3, 8, 10))) for seed in seeds]


def targets(backend, *seeds):
    return [backend.from_numpy(np.random.default_rng(seed).random((1, 8, 4, 5))) for seed in seeds]


def test_it_is_not_traced_again(weights):
    backend = JaxBackend()
    (x, y, z), (a, b, c) = pictures(backend, 1, 2, 3), targets(backend, 4, 5, 6)
    compiled, traces = objective(backend, weights, x, a)
    compiled(x, {"target": a})
    before = len(traces)
    assert before == 2  # to see which networks it calls, and for the program
    for picture, target in ((x, a), (y, b), (z, c)):
        compiled(picture, {"target": target})
    assert len(traces) == before


def test_functions_of_evaluate_are_not_traced_again():
    backend, traces = JaxBackend(), []

    def function(ops, x, constants):
        traces.append(x)
        return {"y": ops.add(x, constants["c"])}

    for seed in (1, 2, 3):
        x, c = pictures(backend, seed, seed + 10)
        assert np.array_equal(backend.evaluate(function, x, {"c": c})["y"], x + c)
    assert len(traces) == 2
    del function
    gc.collect()
    assert len(backend._programs) == 0  # what a function holds, masks for example, is not kept for ever


def test_the_vector_space_is_not_compiled_again():
    space = JaxBackend().space
    x, y = pictures(JaxBackend(), 1, 2)

    def steps(x, y, numbers):
        stack = space.stack(4, x, False)
        for row, number in enumerate(numbers):
            stack = space.put(stack, row, space.lincomb([number, -number], [x, y]), number)
            space.products(stack, [x, y])
            space.combine([number, 0.0, 1.0, 2.0], stack)
            space.clip(x, number, 1.0)
            space.crop(x, row, row, 2, 3)
            space.paste(space.multiply(x, y), space.crop(y, 0, 0, 2, 3), row, row)

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if "backend_compile" in event else None
    )
    steps(x, y, [0.1])
    assert compiled
    compiled.clear()
    steps(x, y, [0.2, 0.3, 0.4])
    assert compiled == []


def test_the_program_captures_nothing(weights):
    """Filters, targets and picture are its arguments."""
    backend = JaxBackend()
    (x,), (target,) = pictures(backend, 1), targets(backend, 2)
    compiled, _ = objective(backend, weights, x, target)
    program = compiled._program
    parameters = [network.native for network in program._networks]
    assert len(parameters) == 1
    traced = jax.make_jaxpr(program._program)(x, {"target": target}, parameters)
    assert traced.consts == []
    assert len(traced.jaxpr.invars) == 2 + 2 + 2 * 3  # x, target; factor, shift; three convolutions


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_the_backends_whatever_jax_is_set_to(dtype, x64, weights):
    """JAX turns float64 into float32 where x64 is off, and says so in a warning at most."""
    with jax.enable_x64(x64):
        backend = JaxBackend(dtype=dtype)
        (x, y), (target,) = pictures(backend, 1, 2), targets(backend, 3)
        compiled, _ = objective(backend, weights, x, target)
        found = compiled(x, {"target": target})
        space = backend.space
        stack = space.put(space.stack(2, x, False), 1, found.gradient, 0.5)
        tensors = [x, found.total, found.gradient, stack, space.combine([1.0, 2.0], stack)]
        tensors += [space.lincomb([0.1, 0.2], [x, y]), space.multiply(x, y), space.whiten(x, y, 1e-8)]
        tensors += [
            space.clip(x, 0.0, 0.5),
            space.crop(x, 1, 1, 2, 2),
            space.paste(*pictures(backend, 1, 2), 0, 0),
        ]
        assert {str(tensor.dtype) for tensor in tensors} == {dtype}
        exact = found.total if dtype == "float64" else None
        dot = space.dots([(y, y)])[0]
    if dtype == "float64":
        reference = nst.get_backend("numpy")
        x, target = (reference.from_numpy(backend.to_numpy(tensor)) for tensor in (x, target))
        network = reference.network(weights, [LAYER], "avg")
        maps = reference.evaluate(lambda ops, x, c: network(ops, x), x, {})[LAYER]
        assert float(np.asarray(exact)) == pytest.approx(float(np.sum((maps - target) ** 2)), rel=1e-14)
        host = backend.to_numpy(y)
        assert dot == pytest.approx(float(np.sum(host * host)), rel=1e-14)


def test_a_loss_without_the_picture():
    backend = JaxBackend()
    (x,) = pictures(backend, 1)

    def function(ops, x, constants):
        return ops.sum(constants["c"]), {}

    with pytest.raises(ValueError, match="does not depend on the picture"):
        backend.compile(function, x, {"c": x})


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("read", [from_any, lambda array: restored(array)], ids=["nst", "plugin"])
def test_jax_arrays_come_back(dtype, read):
    """nst alone, by the array API, and by the function that the package adds."""
    values = np.random.default_rng(0).random((4, 5, 3)) * (255 if dtype == "uint8" else 1)
    array = jax.device_put(jnp.asarray(values).astype(dtype), jax.devices("cpu")[1])
    picture, restore = read(array)
    back = restore(picture)
    assert isinstance(back, jax.Array)
    assert (back.dtype, back.device, back.shape) == (array.dtype, array.device, array.shape)
    np.testing.assert_array_equal(np.asarray(back, np.float32), np.asarray(array, np.float32))


def restored(array):
    host, back = from_tensor(array)
    picture, restore = from_any(host)
    return picture, lambda result: back(restore(result))


def test_float64_comes_back_in_float64():
    with jax.enable_x64(True):
        array = jnp.asarray(np.random.default_rng(0).random((4, 5, 3)))
    picture, restore = restored(array)
    assert restore(picture).dtype == "float64"


def test_stylize_returns_what_it_got(weights):
    content, style = (jnp.asarray(np.random.default_rng(s).random((16, 20, 3)), "float32") for s in (1, 2))
    result = nst.stylize(
        content, style, backend=JaxBackend(), weights=weights, steps=2, size="content",
        content_layers=LAYER, style_layers="conv1_1",
    )  # fmt: skip
    assert isinstance(result, jax.Array)
    assert (result.shape, result.dtype) == (content.shape, content.dtype)
    batch = nst.stylize(
        jnp.stack([content, content]), style, backend=JaxBackend(), weights=weights, steps=1, size="content",
        content_layers=LAYER, style_layers="conv1_1",
    )  # fmt: skip
    assert isinstance(batch, jax.Array)
    assert batch.shape == (2, 16, 20, 3)
