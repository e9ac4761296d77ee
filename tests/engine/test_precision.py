"""Networks in bfloat16 and float16: filters, loss scaling, the choice of `auto`, graphs in other types, CUDA graphs."""

import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import nst
from nst.backends import autotune, get_backend
from nst.backends.numpy.backend import NumpyBackend
from nst.backends.rounding import round_filters
from nst.engine import loss_scaling
from nst.errors import BackendError, NSTError
from nst.models.random import random_weights
from nst.protocol import Evaluation


@pytest.fixture
def torch(need):
    need("torch")
    return import_module("torch")


@pytest.fixture
def graphed(torch):
    return import_module("nst.backends.torch.cuda_graphs").GraphedObjective


EPS = {"bfloat16": 2.0**-8, "float16": 2.0**-11}  # half the distance of neighbours, relative, at most


# filters


@pytest.mark.parametrize("name", EPS)
def test_filters_are_numbers_of_the_type_and_keep_the_sum_of_their_taps(name, torch):
    weight = np.random.default_rng(1).standard_normal((8, 5, 3, 3)).astype(np.float32)
    rounded = round_filters(weight, name)
    kind = getattr(torch, name)
    np.testing.assert_array_equal(torch.from_numpy(rounded).to(kind).float().numpy(), rounded)
    # what is left over is the error of the last tap alone, of the size of one rounding
    left = np.abs(rounded.sum((2, 3), dtype=np.float64) - weight.sum((2, 3), dtype=np.float64))
    assert np.all(left <= EPS[name] * np.abs(rounded[:, :, 2, 2]) + 1e-6)
    # rounding every tap by itself is off by more
    plain = torch.from_numpy(weight).to(kind).float().numpy()
    assert left.mean() < 0.5 * np.abs(plain.sum((2, 3)) - weight.sum((2, 3))).mean()
    assert np.all(np.abs(rounded - weight) <= 2 * EPS[name] * np.abs(weight).max())


def test_filters_stay_as_they_are_in_full_precision():
    weight = np.float32([[[[0.1] * 3] * 3]])
    assert round_filters(weight, "float32") is weight


# the picture


@pytest.mark.parametrize(
    ("name", "precision"), [("torch", "bf16"), ("tf", "bf16"), ("onnx", "fp16"), ("torch", "fp16")]
)
def test_a_picture_is_not_rounded_before_the_first_layer(name, precision, need):
    """Each number of conv1_1 has one rounding, also where it is the small difference of large ones."""
    need(name)
    x = np.random.default_rng(4).random((1, 3, 24, 20), np.float32)
    half, full = get_backend(name, "cpu", precision=precision), get_backend(name, "cpu")
    weights = random_weights(0, depth="conv1_2")
    filters, bias = weights.convolutions["conv1_1"]
    rounded = {**weights.convolutions, "conv1_1": (round_filters(filters, half.precision), bias)}
    found = []
    for backend, own in ((half, weights), (full, replace(weights, convolutions=rounded))):
        network = backend.network(own, ["conv1_1", "conv1_2"], "avg")
        maps = backend.evaluate(lambda ops, x, c, n=network: n(ops, x), backend.from_numpy(x), {})
        found.append(backend.to_numpy(maps["conv1_1"]))
    got, want = found
    assert np.all(np.abs(got - want) <= 1.01 * EPS[half.precision] * np.abs(want) + 1e-6)


# what is there


def test_words_and_names_mean_the_same():
    assert get_backend("torch", precision="bf16").precision == "bfloat16"
    assert get_backend("torch", precision="float16").precision == "float16"
    assert get_backend("torch").precision == "float32"
    assert get_backend("torch", dtype="float64").precision == "float64"


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("numpy", "bf16", "backend numpy has no networks in 'bf16' beside float64: use precision fp64"),
        ("torch", "int8", "no networks in 'int8' beside float32: use precision fp16 or bf16 or fp32"),
        ("onnx", "bf16", "has no bfloat16 convolution on cpu: use precision fp16 or fp32"),
    ],
)
def test_a_precision_that_is_not_there_says_what_is(name, wanted, message, need):
    need(name)
    with pytest.raises(BackendError, match=message):
        get_backend(name, "cpu", precision=wanted)


def test_the_torch_module_is_in_bfloat16_and_its_pictures_are_not(torch):
    network = get_backend("torch", "cpu", precision="bf16").network(
        random_weights(0, 0.125, "conv2_1"), ["conv1_2", "conv2_1"], "avg"
    )
    kinds = [getattr(network.native, name).weight.dtype for name in ("conv1_1", "conv1_2", "conv2_1")]
    assert kinds == [torch.float32, torch.bfloat16, torch.bfloat16]
    maps = network.native(torch.full((1, 3, 8, 8), 0.5))
    assert {m.dtype for m in maps.values()} == {torch.float32}


@pytest.mark.slow
def test_the_keras_model_is_in_bfloat16_and_its_pictures_are_not(need):
    need("tf")
    code = """
        import numpy as np
        from nst.backends import autotune, get_backend
        from nst.models.random import random_weights
        native = get_backend("tf", "cpu", precision="bf16").network(
            random_weights(0, 0.125, "conv1_2"), ["conv1_2"], "avg").native
        maps = native(np.full((1, 8, 8, 3), 0.5, np.float32))
        kinds = [native.get_layer(name).kernel.dtype for name in ("conv1_1", "conv1_2")]
        print(*kinds, native.inputs[0].dtype, maps["conv1_2"].dtype.name)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "float32 bfloat16 float32 float32\n", done.stderr[-2000:]


@pytest.mark.parametrize(
    ("name", "element", "opset", "error"), [("float16", 10, 17, 4e-3), ("bfloat16", 16, 22, 4e-2)]
)
def test_onnx_networks_are_valid_models_with_weights_of_the_type(name, element, opset, error, need):
    """In bfloat16 no provider of a CPU runs them: ONNX's own evaluator does."""
    need("onnx")
    import onnx
    from onnx.reference import ReferenceEvaluator

    from nst.backends.onnx.network import OnnxNetwork

    weights, layers = random_weights(0, 0.125, "conv2_1"), ["conv1_2", "conv2_1"]
    model = OnnxNetwork(weights, layers, "avg", "float32", name).native
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == opset
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    assert kinds["conv1_2.weight"] == kinds["conv2_1.bias"] == element
    assert {kinds[name] for name in ("input.factor", "conv1_1.weight", "conv1_1.bias")} == {
        onnx.TensorProto.FLOAT
    }
    x = np.random.default_rng(2).random((1, 3, 9, 10), np.float32)
    got = ReferenceEvaluator(model).run(layers, {"x": x})
    reference = NumpyBackend()
    network = reference.network(weights, layers, "avg")
    want = reference.evaluate(lambda ops, x, c: network(ops, x), x.astype(np.float64), {})
    for layer, array in zip(layers, got, strict=True):
        assert array.dtype == np.float32
        assert np.abs(array - want[layer]).max() < error * np.abs(want[layer]).max()


# loss scaling


class Float16(NumpyBackend):
    """Its gradients pass through float16; it counts the evaluations."""

    def __init__(self):
        super().__init__()
        self.precision = "float16"
        self.evaluations = 0

    def compile(self, function, like, constants):
        objective = super().compile(function, like, constants)

        def call(x, c):
            self.evaluations += 1
            evaluation = objective(x, c)
            return replace(evaluation, gradient=evaluation.gradient.astype(np.float16).astype(np.float64))

        return call


X = np.linspace(1.0, 2.0, 12).reshape(1, 3, 2, 2)


def weighted_squares(ops, x, constants):
    term = ops.sum(ops.square(x))
    return ops.multiply(constants["weight"], term), {"squares": term}


def scaled(weight, x=X):
    backend = Float16()
    constants = {"weight": np.array(weight)}
    objective = loss_scaling.compile_objective(backend, weighted_squares, x, constants)
    with np.errstate(over="ignore", invalid="ignore"):
        return backend, objective, objective(x, constants)


@pytest.mark.parametrize("weight", [1e-9, 1.0, 1e4, 1e9])
def test_gradients_out_of_the_range_of_float16_come_back_right(weight):
    _, _, evaluation = scaled(weight)
    np.testing.assert_allclose(evaluation.gradient, 2 * weight * X, rtol=1e-3)
    assert set(evaluation.terms) == {"squares"}
    assert evaluation.terms["squares"] == pytest.approx(np.sum(X**2))
    assert evaluation.total == pytest.approx(weight * np.sum(X**2))


def test_without_scaling_those_gradients_are_lost():
    """The test above can fail."""
    backend = Float16()
    plain = backend.compile(weighted_squares, X, {})
    with np.errstate(over="ignore"):
        assert not plain(X, {"weight": np.array(1e-9)}).gradient.any()
        assert np.isinf(plain(X, {"weight": np.array(1e9)}).gradient).all()


def test_the_scale_goes_down_after_an_overflow_and_up_again_after_a_time_without():
    backend, objective, _ = scaled(1.0)
    # 2 x * scale must stay below 65504: 2^24 / 16^3 = 2^12 is the first that does, at the fourth evaluation
    assert (objective.scale, backend.evaluations) == (2.0**12, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(3 * loss_scaling.PATIENCE):
            objective(X, {"weight": np.array(1.0)})
    # up to 2^13 and 2^14 (largest 4 * 2^14 = 65536 overflows, and back at once)
    assert objective.scale == 2.0**13
    assert backend.evaluations == 4 + 3 * loss_scaling.PATIENCE + 2
    objective(X, {"weight": np.array(1e-3)})


def test_a_loss_that_overflows_comes_back_as_it_is():
    backend, objective, evaluation = scaled(np.inf)
    assert np.isinf(evaluation.total)
    assert backend.evaluations == 1
    assert objective.scale == loss_scaling.LARGEST


def test_a_gradient_that_is_never_finite_ends():
    _, objective, evaluation = scaled(1.0, np.full_like(X, 1e140))
    assert np.isfinite(evaluation.total)
    assert not np.isfinite(evaluation.gradient).all()
    assert objective.scale == loss_scaling.SMALLEST


def test_an_overflow_at_the_start_names_the_precision(small_network):
    pictures = np.random.default_rng(0).random((2, 24, 32, 3))
    options = {"weights": small_network, "content_layers": (), "style_layers": "conv1_1,conv2_1", "steps": 1}
    options["size"] = "content"
    options |= {"style_weight": 1e308, "style_power": 4.0}
    with np.errstate(over="ignore", invalid="ignore"):
        with pytest.raises(NSTError, match="with a network in float16"):
            nst.stylize(*pictures, backend=Float16(), **options)
        with pytest.raises(NSTError, match="are not finite: check the weights file"):
            nst.stylize(*pictures, backend=NumpyBackend(), **options)


def test_other_precisions_are_compiled_as_they_are():
    objective = loss_scaling.compile_objective(NumpyBackend(), weighted_squares, X, {})
    assert not isinstance(objective, loss_scaling.ScaledObjective)


# auto


def test_a_lower_precision_must_be_a_fifth_faster():
    assert autotune.fastest({"float32": 1.0, "bfloat16": 0.8}) == "bfloat16"
    assert autotune.fastest({"float32": 1.0, "bfloat16": 0.9}) == "float32"
    assert autotune.fastest({"float32": 1.0, "bfloat16": 0.5, "float16": 0.45}) == "bfloat16"
    assert autotune.fastest({"float32": 1.0, "bfloat16": float("inf"), "float16": 0.5}) == "float16"


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Precisions in the order in which they are measured; bfloat16 is faster."""
    seen = []

    def seconds(backend, weights, side):
        if side != autotune.GLIMPSE:
            seen.append(backend.precision)
        return {"float32": 1.0, "bfloat16": 0.4}[backend.precision]

    monkeypatch.setattr(autotune, "_seconds", seconds)
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    return seen


def test_auto_measures_once_and_never_float16_on_a_cpu(measured, tmp_path):
    assert autotune.backend_in("torch", "cpu", "auto").precision == "bfloat16"
    assert autotune.choose_precision("torch", "cpu") == "bfloat16"
    assert measured == ["float32", "bfloat16"]
    (entry,) = json.loads((tmp_path / "home" / "precision.json").read_text()).values()
    assert entry == {"precision": "bfloat16", "seconds": {"float32": 1.0, "bfloat16": 0.4}}


def test_auto_does_not_wait_for_what_the_processor_emulates(monkeypatch, tmp_path):
    """One look at a small picture is enough: on a large one it would take a minute."""
    seen = []

    def seconds(backend, weights, side):
        seen.append((backend.precision, side))
        return (30.0 if backend.precision == "bfloat16" else 1.0) * side**2 * 1e-6

    monkeypatch.setattr(autotune, "_seconds", seconds)
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    for _ in range(2):  # and once a machine
        assert autotune.choose_precision("torch", "cpu") == "float32"
    assert sorted(seen) == [("bfloat16", 32), ("float32", 32), ("float32", 128)]


def test_auto_without_a_choice_measures_nothing(measured):
    assert autotune.choose_precision("onnx", "cpu") == "float32"
    assert autotune.choose_precision("numpy", "cpu") == "float64"
    assert measured == []


@pytest.mark.parametrize("content", ["", "[1]", '{"torch": 3}', '{"x": {"precision": "int8"}}'])
def test_auto_bears_a_damaged_file(measured, tmp_path, content):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precision.json").write_text(content)
    assert autotune.choose_precision("torch", "cpu") == "bfloat16"


def test_auto_bears_a_folder_that_cannot_be_written(measured, tmp_path):
    (tmp_path / "home").write_text("a file")
    assert autotune.choose_precision("torch", "cpu") == "bfloat16"


def test_auto_takes_no_precision_that_fails():
    class Broken(NumpyBackend):
        def compile(self, function, like, constants):
            raise RuntimeError("no such kernel")

    weights = random_weights(0, 0.125, autotune.DEPTH)
    assert autotune._seconds(Broken(), weights, 16) == float("inf")
    assert 0 < autotune._seconds(NumpyBackend(), weights, 16) < 60


# CUDA graphs, with a stand-in for the recording


def squares(x, constants):
    return Evaluation(x.square().sum() + constants["c"], {"c": constants["c"] + 0}, 2 * x)


class Recorder:
    """Replays by computing again into the tensors of the recording, as a graph does."""

    def __init__(self):
        self.recordings = self.replays = 0

    def __call__(self, run):
        self.recordings += 1
        held = run()

        def replay():
            self.replays += 1
            now = run()
            held.total.copy_(now.total)
            held.gradient.copy_(now.gradient)
            held.terms["c"].copy_(now.terms["c"])
            return held

        return replay


def test_a_graph_is_recorded_once_and_its_results_are_the_callers_own(torch, graphed):
    recorder = Recorder()
    objective = graphed(squares, recorder)
    kept = []
    for i in range(4):
        x, c = torch.full((1, 3, 2, 2), float(i)), torch.tensor(10.0 * (i // 2))
        kept.append(objective(x, {"c": c}))
    assert (recorder.recordings, recorder.replays) == (1, 3)
    assert [float(e.total) for e in kept] == [0.0, 12.0, 58.0, 118.0]
    assert [float(e.gradient[0, 0, 0, 0]) for e in kept] == [0.0, 2.0, 4.0, 6.0]
    assert [float(e.terms["c"]) for e in kept] == [0.0, 0.0, 10.0, 10.0]


def test_a_picture_of_another_shape_is_computed_without_the_graph(torch, graphed):
    recorder = Recorder()
    objective = graphed(squares, recorder)
    c = {"c": torch.tensor(0.0)}
    for _ in range(2):
        objective(torch.ones(1, 3, 2, 2), c)
    assert float(objective(torch.ones(1, 3, 4, 2), c).total) == 24.0
    assert float(objective(torch.ones(1, 3, 2, 2), c).total) == 12.0
    assert recorder.replays == 2


def test_what_cannot_be_recorded_is_computed_without_a_graph(torch, graphed):
    def fail(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    objective = graphed(squares, fail)
    c = {"c": torch.tensor(1.0)}
    assert [float(objective(torch.ones(1, 3, 2, 2), c).total) for _ in range(3)] == [13.0] * 3


def test_on_a_cpu_there_are_no_graphs(torch, graphed):
    backend = get_backend("torch", "cpu")
    objective = backend.compile(lambda ops, x, c: (ops.sum(x), {}), torch.ones(1, 3, 2, 2), {})
    assert not isinstance(objective, graphed)
