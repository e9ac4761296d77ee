"""ONNX Runtime's graphs on CUDA, without a GPU: a kernel for each node, and nothing that has to come from the host."""

import json
from pathlib import Path

import numpy as np
import pytest

import nst
from nst.backends import get_backend
from nst.backends.numpy.backend import NumpyBackend
from nst.models.random import random_weights

KERNELS = json.loads((Path(__file__).parent / "cuda_kernels.json").read_text())["kernels"]

ON_HOST = {
    "Reshape": (1,),
    "Expand": (1,),
    "Slice": (1, 2, 3, 4),
    "Pad": (1, 2),
    "ReduceSum": (1,),
    "Clip": (1, 2),
}
"""Inputs that the CUDA kernels read on the host (shapes, bounds, axes), by their number."""

LAYERS = {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1"}
RUNS = {
    "all layers": {"content_layers": "conv4_2", "style_layers": "conv1_1,conv5_1"},
    "Adam, windows, circular": {"optimizer": "adam", "pooling": "max", "padding": "circular", "tile": 32},
    "pairs in float16": {"optimizer": nst.LBFGS(history=2, half=True)},
    "smoothed": {"smoothing": True, "style_loss": "covariance"},
    "Wasserstein": {"style_loss": "w2", "tv_weight": 1e-3, "tv_power": 1, "means": ("content", "tv")},
    "moments": {"style_loss": "moments", "tv_weight": 1e-3},
    "fp16, windows": {"precision": "fp16", "tile": 32},
}


@pytest.fixture
def compiled(need, monkeypatch):
    """The models that are compiled from here on."""
    need("onnx")
    import onnx

    from nst.backends.onnx.program import Program

    models, start = [], Program.__init__

    def init(self, model, device, small=False):
        models.append(onnx.load_from_string(model))
        start(self, model, device, small)

    monkeypatch.setattr(Program, "__init__", init)
    return models


def painted(weights, **options):
    content, style = np.random.default_rng(1).random((2, 48, 64, 3), np.float32)
    given = {"scales": 1, "steps": 2, "size": 64, **LAYERS, **options}
    nst.stylize(content, style, backend="onnx", device="cpu", weights=weights, **given)


def unsupported(model):
    """Nodes without a kernel, as words."""
    import onnx

    typed = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*typed.input, *typed.output, *typed.value_info)
    } | {tensor.name: tensor.data_type for tensor in typed.initializer}
    opset = model.opset_import[0].version
    return [words for node in typed.node for words in _missing(node, types, opset)]


def _missing(node, types, opset):
    import onnx

    schema = onnx.defs.get_schema(node.op_type, opset)
    bound = {}
    for given, formal in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for number, name in enumerate(given):
            parameter = formal[min(number, len(formal) - 1)]  # the last may come any number of times
            found = onnx.TensorProto.DataType.Name(types[name]).lower()
            bound[parameter.type_str] = bound[parameter.name] = found
    since = schema.since_version
    for first, last, allowed in KERNELS.get(node.op_type, ()):
        right = since == first if last is None else first <= since <= last
        if right and all(bound[name] in kinds for name, kinds in allowed.items() if name in bound):
            return []
    return [f"{node.op_type} {since} of {sorted(set(bound.values()))}"]


def brought(model, fed):
    """What a kernel reads on the host and is neither part of the model nor among the inputs `fed` from the host."""
    there = {tensor.name for tensor in model.graph.initializer} | set(fed)
    return [
        (node.op_type, node.input[number])
        for node in model.graph.node
        for number in ON_HOST.get(node.op_type, ())
        if number < len(node.input) and node.input[number] not in there
    ]


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_every_node_of_a_run_has_a_kernel_on_cuda(options, compiled, small_network):
    painted(small_network, **options)
    assert len(compiled) > 5
    for model in compiled:
        assert unsupported(model) == []
        # `crop` and `paste` are fed their bounds from the host
        assert brought(model, [v.name for v in model.graph.input if v.type.tensor_type.elem_type == 7]) == []


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_a_step_in_each_precision_has_kernels_on_cuda_and_right_numbers(
    precision, pooling, compiled, monkeypatch
):
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    from nst.backends.onnx.backend import OnnxBackend

    monkeypatch.setattr(onnxruntime, "InferenceSession", Compiled)  # a CPU has no convolution in bfloat16
    monkeypatch.setattr("nst.backends.onnx.backend.convolves", lambda precision, device: True)
    backend = OnnxBackend("cpu", precision=precision)
    picture = np.random.default_rng(3).random((1, 3, 13, 16), np.float32)
    reference, found = NumpyBackend(), []
    for computing, x in ((backend, backend.from_numpy(picture)), (reference, picture.astype(np.float64))):
        network = computing.network(random_weights(0, 1 / 16), ["conv1_1", "conv3_1"], pooling)

        def function(ops, x, constants, network=network):
            maps = network(ops, x)
            return ops.sum(ops.gram(maps["conv3_1"])), {"low": ops.sum(maps["conv1_1"])}

        found.append(computing.compile(function, x, {}))
    (model,) = compiled
    assert unsupported(model) == []
    assert brought(model, []) == []
    expected = found[1](x, {})
    total, gradient = ReferenceEvaluator(model).run(["total", "gradient"], {"x": picture})
    error = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}[precision]
    assert total == pytest.approx(expected.total, rel=error)
    # rounding chooses another of two maxima that are nearly the same
    left = np.linalg.norm(gradient - expected.gradient) / np.linalg.norm(expected.gradient)
    assert left < (4 * error if pooling == "max" else 2 * error)


class Compiled:
    """A session of a graph that is not run."""

    def __init__(self, model, options, providers):
        pass

    def get_inputs(self):
        return []

    get_outputs = get_inputs


def test_what_has_no_kernel_there_is_found(need):
    need("onnx")
    from nst.backends.onnx.graph import Graph

    graph = Graph("float32")
    x = graph.input("x", (1, 2, 4, 4))
    indices = graph.cast(x, "int64")
    unpooled = graph.node("MaxUnpool", [x, indices], (1, 2, 8, 8), kernel_shape=[2, 2], strides=[2, 2])
    wide = graph.node("Relu", [graph.cast(unpooled, "int32")], unpooled.shape)
    shape = graph.node("Shape", [x], (4,))
    same = graph.node("Reshape", [x, shape], x.shape)
    model = graph.model({"y": graph.cast(unpooled, "float64"), "z": same})
    assert wide.shape == unpooled.shape
    assert [words.split()[0] for words in unsupported(model)] == ["MaxUnpool", "Relu", "Shape"]
    assert brought(model, []) == [("Reshape", shape.name)]


def test_a_step_binds_its_inputs_and_outputs_where_they_are(compiled, small_network, monkeypatch):
    """On CUDA all tensors but bounds are made there, and outputs are asked for there."""
    import onnxruntime

    from nst.backends.onnx import backend as module
    from nst.backends.onnx import program, space

    made, bound = [], []

    def to_device(array, device):
        made.append((device, array.dtype.name, array.size))
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, "cpu", 0)

    class Binding:
        def __init__(self, real):
            self._real = real

        def bind_output(self, name, kind, index):
            bound.append((kind, index))
            self._real.bind_output(name, "cpu", 0)

        def __getattr__(self, name):
            return getattr(self._real, name)

    real = onnxruntime.InferenceSession

    class Session:
        def __init__(self, model, options, providers):
            assert [p if isinstance(p, str) else p[0] for p in providers] == [
                "CUDAExecutionProvider",
                "CPUExecutionProvider",
            ]
            self._real = real(model, options, ["CPUExecutionProvider"])

        def io_binding(self):
            return Binding(self._real.io_binding())

        def run_with_iobinding(self, binding, options):
            self._real.run_with_iobinding(binding._real, options)

        def __getattr__(self, name):
            return getattr(self._real, name)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    for place in (module, program, space):
        monkeypatch.setattr(place, "to_device", to_device)
    monkeypatch.setattr(module, "choose_device", lambda device: "cuda:1")
    backend = get_backend("onnx", "cuda:1")
    content, style = np.random.default_rng(1).random((2, 48, 64, 3), np.float32)
    nst.stylize(
        content, style, backend=backend, weights=small_network, size=64, scales=1, steps=3, tile=32, **LAYERS
    )
    assert set(bound) == {("cuda", 1)}
    assert {device for device, _, _ in made} == {"cuda:1", "cpu"}
    assert {kind for device, kind, _ in made if device == "cpu"} == {"int64"}
