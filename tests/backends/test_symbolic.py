"""`nst.backends.onnx.symbolic`: arithmetic that a graph does later is the arithmetic that Python does at once."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from nst.backends.onnx.graph import Graph
from nst.backends.onnx.kernels import GraphKernels
from nst.backends.onnx.symbolic import GraphNumber, GraphSpace
from nst.optim import Adam


def run(graph, outputs, feeds):
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.model(outputs).SerializeToString())
    arrays = {name: np.asarray(value, np.float32) for name, value in feeds.items()}
    return dict(zip(outputs, session.run(list(outputs), arrays), strict=True))


def test_a_number_of_the_graph_takes_part_in_the_arithmetic_of_floats():
    graph = Graph("float32")
    a, b = (GraphNumber(graph, graph.input(name, ())) for name in "ab")
    made = {
        "sum": a + 2.5,
        "negative": -a,
        "difference": 1 - a,
        "ratio": a / b,
        "inverse": 3 / a,
        "power": 0.5**a,
        "adam": -b / (1 - 0.9**a),
    }
    results = run(graph, {name: number.value for name, number in made.items()}, {"a": 4, "b": 0.02})
    want = {"sum": 6.5, "negative": -4, "difference": -3, "ratio": 200, "inverse": 0.75, "power": 0.0625}
    want["adam"] = -0.02 / (1 - 0.6561)
    for name, value in want.items():
        assert results[name] == pytest.approx(value, rel=1e-6), name


def test_a_step_of_adam_in_a_graph_is_the_algorithm_of_the_paper():
    generator = np.random.default_rng(0)
    shape = (1, 3, 4, 5)
    x, g, m = (generator.normal(0.5, 0.3, shape) for _ in range(3))
    v, age, rate = generator.random(shape), 7.0, 0.1
    graph = Graph("float32")
    tensors = [graph.input(name, shape) for name in ("x", "g", "m", "v")]
    numbers = [GraphNumber(graph, graph.input(name, ())) for name in ("age", "rate")]
    moved, moments = Adam().move(
        GraphSpace(GraphKernels(graph)), *tensors[:2], tuple(tensors[2:]), age=numbers[0], rate=numbers[1]
    )
    outputs = dict(zip(("x", "m", "v"), (moved, *moments), strict=True))
    feeds = {"x": x, "g": g, "m": m, "v": v, "age": age, "rate": rate}
    results = run(graph, {f"new {name}": value for name, value in outputs.items()}, feeds)
    # Kingma and Ba 2015, algorithm 1, in float64
    m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
    step = rate * (m / (1 - 0.9**age)) / (np.sqrt(v / (1 - 0.99**age)) + 1e-8)
    np.testing.assert_allclose(results["new m"], m, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results["new v"], v, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results["new x"], np.clip(x - step, 0, 1), atol=1e-5)
    assert 0 < (results["new x"] == 0).mean() < 0.5  # some reach the border of the box
