"""Networks in bfloat16 and float16: filters, loss scaling, the choice of `auto`, a precision a size, CUDA graphs."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import nst
from nst import forecast as forecasts
from nst import transfer as transfer_module
from nst.backends import autotune, get_backend
from nst.backends.numpy.backend import NumpyBackend
from nst.backends.rounding import round_filters
from nst.engine import loss_scaling
from nst.engine.pyramid import precisions
from nst.errors import BackendError, ImageError, NSTError, SettingsError
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


def test_the_keras_model_is_in_bfloat16_and_its_pictures_are_not(need):
    need("tf")
    network = get_backend("tf", "cpu", precision="bf16").network(
        random_weights(0, 0.125, "conv1_2"), ["conv1_2"], "avg"
    )
    kinds = [network.native.get_layer(name).kernel.dtype for name in ("conv1_1", "conv1_2")]
    assert kinds == ["float32", "bfloat16"]
    assert network.native.inputs[0].dtype == "float32"
    assert network.native(np.full((1, 8, 8, 3), 0.5, np.float32))["conv1_2"].dtype.name == "float32"


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
    options = {"weights": small_network, "content_layers": (), "style_layers": {"conv1_1": 1e8}, "steps": 1}
    options |= {"style_weight": 1e308, "size": "content"}
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
    monkeypatch.setattr(autotune, "HELD", {})
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    return seen


def test_auto_measures_once_and_never_float16_on_a_cpu(measured, tmp_path):
    for held in ({}, {}):
        autotune.HELD = held  # of a process; `measured` puts it back
        assert autotune.choose_precision(get_backend("torch", "cpu")) == "bfloat16"
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
    for held in ({}, {}):  # and once a machine
        monkeypatch.setattr(autotune, "HELD", held)
        assert autotune.choose_precision(get_backend("torch", "cpu")) == "float32"
    assert sorted(seen) == [("bfloat16", 32), ("float32", 32), ("float32", 128)]


def test_auto_without_a_choice_measures_nothing(measured):
    assert autotune.choose_precision(get_backend("onnx", "cpu")) == "float32"
    assert autotune.choose_precision(get_backend("numpy", "cpu")) == "float64"
    assert measured == []


@pytest.mark.parametrize("content", ["", "[1]", '{"torch": 3}', '{"x": {"precision": "int8"}}'])
def test_auto_bears_a_damaged_file(measured, tmp_path, content):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precision.json").write_text(content)
    assert autotune.choose_precision(get_backend("torch", "cpu")) == "bfloat16"


def test_auto_bears_a_folder_that_cannot_be_written(measured, tmp_path):
    """Nor measures for each picture then."""
    (tmp_path / "home").write_text("a file")
    for _ in range(2):
        assert autotune.choose_precision(get_backend("torch", "cpu")) == "bfloat16"
    assert measured == ["float32", "bfloat16"]


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


# a precision a size


SIZES = ((24, 2), (34, 2), (48, 2))
MIXED = ("bf16", "...", "fp32")
UP_TO_CONV3_1 = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")


@pytest.mark.parametrize(
    ("spec", "schedule", "found"),
    [
        (None, SIZES, (None, None, None)),
        ("bf16", SIZES, ("bf16", "bf16", "bf16")),
        (("fp16", "bf16", "fp32"), SIZES, ("fp16", "bf16", "fp32")),
        (MIXED, SIZES, ("bf16", "bf16", "fp32")),
        (MIXED, SIZES[:2], ("bf16", "fp32")),
        (MIXED, SIZES[:1], ("fp32",)),  # the last size
        (("fp16", "bf16", "..."), SIZES, ("fp16", "bf16", "bf16")),
        (("bf16", "...", "fp16", "fp32"), SIZES[:2], ("fp16", "fp32")),
        (MIXED, (*SIZES[:2], (48, 0)), ("bf16", "fp32", "fp32")),  # the last one that computes anything
        (MIXED, ((48, 0),), ("fp32",)),
    ],
)
def test_the_precision_of_each_size(spec, schedule, found):
    assert precisions(spec, schedule) == found


@pytest.fixture
def made(small_network, need):
    """made(precision, **options): a transfer through three sizes on torch."""
    need("torch")
    content, style = (np.random.default_rng(0).random((2, 36, 48, 3)) * 255).astype(np.uint8)
    shallow = {"style_layers": "conv1_1,conv2_1", "content_layers": "conv3_1", "optimizer": nst.LBFGS(2)}

    def make(precision=MIXED, **options):
        same = {
            "backend": "torch",
            "weights": small_network,
            "size": 48,
            "scales": 3,
            "steps": 6,
            **shallow,
        }
        return nst.StyleTransfer(content, style, precision=precision, **{**same, **options})

    return make


def kinds(transfer):
    return [backend.precision for backend in transfer.backends]


def test_a_list_of_another_length_is_said_before_the_network_is_loaded(made):
    def load():
        raise AssertionError

    with pytest.raises(
        SettingsError, match=r"^2 precisions for 3 scale\(s\) with steps \(24,34,48 pixels\)$"
    ):
        made(("bf16", "fp32"), weights=load)


def test_a_backend_without_the_precision_says_so_of_a_list_too(made):
    with pytest.raises(BackendError, match="numpy has no networks in 'bfloat16' beside float64: use"):
        made(backend="numpy")


def test_the_last_size_is_that_of_a_run_in_float32(made, monkeypatch):
    """From the picture that the coarser ones have found, its losses and its picture are the same in every bit."""
    starts, first_state = [], transfer_module.first_state

    def watched(backend, optimizer, evaluate, start):
        starts.append((backend.precision, start))
        return first_state(backend, optimizer, evaluate, start)

    monkeypatch.setattr(transfer_module, "first_state", watched)
    mixed = list(made(steps=(2, 2, 2)).iterate())
    assert [precision for precision, _ in starts] == ["bfloat16", "bfloat16", "float32"]
    full = list(made(None, steps=(2, 2, 2)).iterate())
    assert mixed[1].losses() != full[1].losses()

    def started(backend, optimizer, evaluate, _):
        return first_state(backend, optimizer, evaluate, starts[2][1])

    monkeypatch.setattr(transfer_module, "first_state", started)
    alone = list(made(None, scales=1, steps=2).iterate())[1:]
    assert [record.losses() for record in alone] == [record.losses() for record in mixed[-2:]]
    assert np.array_equal(alone[-1].raw_picture().rgb, mixed[-1].raw_picture().rgb)


def test_auto_is_the_fastest_below_the_last_size_and_float32_there(made, measured):
    auto = made("auto")
    assert auto.settings.precision == MIXED
    assert kinds(auto) == ["bfloat16", "bfloat16", "float32"]
    assert kinds(made("auto", scales=1)) == ["float32"]
    assert kinds(made("fastest", scales=1)) == ["bfloat16"]
    assert made("fastest").settings.precision == "bf16"
    assert kinds(made("auto", backend=get_backend("torch", "cpu", precision="bf16")))[-1] == "float32"


def test_auto_is_nothing_where_float32_is_the_fastest(made, monkeypatch):
    monkeypatch.setattr(autotune, "choose_precision", lambda backend: backend.dtype)
    for word in ("auto", "fastest"):
        assert made(word).settings.precision is None
        assert kinds(made(word)) == ["float32"] * 3
    half = get_backend("torch", "cpu", precision="bf16")
    assert kinds(made("fastest", backend=half)) == ["float32"] * 3
    exact = get_backend("torch", "cpu", dtype="float64")
    assert kinds(made("auto", backend=exact)) == ["float64"] * 3


def test_a_backend_that_is_given_lends_its_networks_in_other_precisions(made):
    """And keeps its own where nothing is said; a cache finds what was made for the picture before."""
    half, cache = get_backend("torch", "cpu", precision="bf16"), nst.Cache()
    assert made(None, backend=half).backends == (half,) * 3
    first, second = (made(backend=half, cache=cache) for _ in range(2))
    assert first.backends == second.backends
    assert first.backends[0] is half
    assert first.backend.precision == "float32"


def test_the_memory_is_that_of_the_size_that_takes_most(made):
    """With the networks of all precisions: what a coarser size took is kept by the framework."""
    alike = {word: made(word, size=512, scales=2) for word in ("fp32", "bf16")}
    half, full = (alike[word].plan.peak for word in ("bf16", "fp32"))
    arrays = [alike["fp32"].weights.convolutions[layer] for layer in UP_TO_CONV3_1]
    network = 4 * sum(array.size for pair in arrays for array in pair)
    another = alike["fp32"].backend.capabilities.costs.copies * network
    assert made(("bf16", "fp32"), size=512, scales=2).plan.peak == pytest.approx(full + another, abs=1)
    coarse = made(("fp32", "bf16"), size=512, scales=[510])  # nearly as large, with maps of twice the bytes
    assert half + another < coarse.plan.peak < full + another


def test_the_forecast_times_each_precision(made, monkeypatch):
    seconds = {"bfloat16": 1.0, "float32": 3.0}
    monkeypatch.setattr(forecasts, "_seconds", lambda transfer, side, backend: seconds[backend.precision])
    monkeypatch.setattr(forecasts, "_pixels", lambda transfer, side: 1.0)
    found = forecasts.forecast(made(steps=[5, 4, 2]))
    assert (found.step, found.total) == (3.0, 9 * 1.0 + 2 * 3.0)


def test_a_picture_says_the_precision_of_each_size(made, tmp_path):
    result = made().paint(progress=False)
    assert result.settings.precision == MIXED
    result.save(tmp_path / "made.png")
    again = nst.settings_of(tmp_path / "made.png")
    assert again["precision"] == MIXED
    assert kinds(made(again["precision"], scales=2)) == ["bfloat16", "float32"]  # whatever sizes there are


@pytest.mark.parametrize("wrong", [["bf16", "int8"], ["..."], [], [["bf16"]], {"bf16": 1}])
def test_what_a_picture_cannot_say(made, wrong, tmp_path):
    result = made(steps=0).paint(progress=False)
    description = {**result._made, "settings": {**result._made["settings"], "precision": wrong}}
    replace(result, _made=description).save(tmp_path / "made.png")
    with pytest.raises(ImageError, match="carries no settings of a run of nst"):
        nst.settings_of(tmp_path / "made.png")
