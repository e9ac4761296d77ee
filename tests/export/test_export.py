"""`nst.export`: a program with nothing but ONNX Runtime paints the very picture that the library paints."""

import json
from dataclasses import replace

import numpy as np
import pytest

import nst
from nst.conformance.compare import tolerance
from nst.errors import NSTError, SettingsError
from nst.export import export_onnx, export_style, read_style
from nst.models.clustered import cluster
from nst.models.random import random_weights

pytest.importorskip("onnxruntime")
WIDTH, HEIGHT, STEPS, RATE = 48, 32, 20, 0.005


def picture(seed, width=WIDTH, height=HEIGHT):
    """(H, W, 3) float32: smooth colours and grain."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 16
    waves = [
        np.sin(np.tensordot(generator.normal(size=3) * 3, [rows, columns, np.ones_like(rows)], 1))
        for _ in range(3)
    ]
    pixels = 0.5 + 0.3 * np.stack(waves, axis=-1) + generator.normal(0, 0.05, (height, width, 3))
    return pixels.clip(0, 1).astype(np.float32)


def planar(pixels):
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


class Runner:
    """What a program does that has the file and ONNX Runtime, and nothing of nst."""

    def __init__(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        self.facts = json.loads(self.session.get_modelmeta().custom_metadata_map["nst"])
        self.inputs = {value.name: value for value in self.session.get_inputs()}
        self.zeros = {name: np.zeros(value.shape, np.float32) for name, value in self.inputs.items()}

    def run(self, feeds):
        names = [value.name for value in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {**self.zeros, **feeds}), strict=True))

    def targets(self, pixels, kind):
        outputs = self.run({"picture": planar(pixels)})
        return {name: outputs[f"own/{name}"] for name in self.facts[kind]}

    def descend(self, pixels, targets, steps, rate):
        """Totals from the start on, and the picture after the last step."""
        state, totals = {"picture": planar(pixels)}, []
        for _ in range(steps):
            outputs = self.run({**targets, **state, "rate": np.array(rate, np.float32)})
            totals.append(float(outputs["total"]))
            state = {name.removeprefix("next/"): a for name, a in outputs.items() if name.startswith("next/")}
        return [*totals, float(self.run({**targets, **state})["total"])], state["picture"]


def library(content, style, network, backend="numpy", **settings):
    """The same with the library: totals, and the last picture."""
    records = nst.StyleTransfer(
        content,
        style,
        backend=backend,
        weights=network,
        optimizer="adam",
        scales=1,
        size=max(content.shape),
        octave_noise=0,  # a graph starts from the picture that it is given
        **settings,
    ).iterate()
    totals, last = [], None
    for last in records:
        totals.append(last.losses().total)
    return totals, last.image()


@pytest.fixture(scope="module")
def network():
    """A whole VGG19, 4 to 32 channels a layer, each layer of 256 weights at most."""
    whole = random_weights(0, 1 / 16)
    few = {layer: (cluster(weight), bias) for layer, (weight, bias) in whole.convolutions.items()}
    return replace(whole, convolutions=few, license="none", source="drawn")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, network):
    """The graph with the usual settings."""
    path = tmp_path_factory.mktemp("graph") / "step.onnx"
    export_onnx(path, (WIDTH, HEIGHT), weights=network)
    return path


def error(got, want, kind):
    """Over the limit of the conformance suite: at most 1."""
    limit = tolerance("float32", kind)
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    norm = np.linalg.norm if limit.norm == "l2" else lambda a: np.abs(a).max()
    return norm((got - want).ravel()) / norm(want.ravel()) / limit.limit


def test_twenty_steps_are_those_of_the_library(exported, network):
    content, style = picture(1), picture(2)
    runner = Runner(exported)
    targets = runner.targets(content, "content") | runner.targets(style, "style")
    totals, last = runner.descend(content, targets, STEPS, RATE)
    want, result = library(content, style, network, steps=STEPS, rate=RATE)
    assert len(totals) == len(want) == STEPS + 1
    assert want[-1] < 0.7 * want[0]
    assert error(totals, want, "loss after steps") < 1
    assert error(last - planar(content), planar(result) - planar(content), "trajectory") < 1


SETTINGS = {
    "zero": ({"padding": "zero"}, True),
    "circular": (
        {"padding": "circular", "style_layers": "conv1_1,conv2_1", "content_layers": "conv2_2"},
        False,
    ),
    "w2": ({"style_loss": "w2"}, False),
    "moments": ({"style_loss": "moments", "style_strength": 0.7}, False),
    "absolute": ({"content_weight": 2, "style_weight": 300.0, "pooling": "max", "tv_weight": 0.01}, True),
    "mean": ({"content_layers": "conv2_2=0.7,conv3_1=2", "means": ("content", "tv"), "tv_weight": 3.0}, True),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_losses_and_gradient_of_other_settings_are_those_of_the_library(name, tmp_path, network):
    settings, alone = SETTINGS[name]
    content, style, now = picture(1), picture(2), picture(3)
    export_onnx(tmp_path / "step.onnx", (WIDTH, HEIGHT), weights=network, adam=False, **settings)
    runner = Runner(tmp_path / "step.onnx")
    assert runner.facts["self_sufficient"] is alone
    export_style(style, tmp_path / "a.safetensors", WIDTH, weights=network, backend="numpy", **settings)
    filed = read_style(tmp_path / "a.safetensors", tmp_path / "step.onnx")
    assert set(filed) == set(runner.facts["style"])
    if alone:
        for key, value in runner.targets(style, "style").items():
            assert error(value, filed[key], "gram") < 1, key
    transfer = nst.StyleTransfer(
        content, style, backend="numpy", weights=network, scales=1, size=WIDTH, **settings
    )
    want = transfer._stage(WIDTH).evaluate(transfer.backend.from_numpy(planar(now)))
    got = runner.run({**runner.targets(content, "content"), **filed, "picture": planar(now)})
    assert error(got["total"], want.total, "loss") < 1
    assert error(got["gradient"], want.gradient, "gradient") < 1
    assert not any(name.startswith("next/") for name in got)


def test_a_style_of_several_pictures_of_any_size_comes_from_its_file(exported, network, tmp_path):
    content, styles = picture(1), [picture(4, 70, 30), picture(5, 33, 60)]
    options = {"style_weights": (3, 1), "style_scale": 1.2, "weights": network, "backend": "numpy"}
    export_style(styles, tmp_path / "both.safetensors", WIDTH, **options)
    runner = Runner(exported)
    targets = runner.targets(content, "content") | read_style(tmp_path / "both.safetensors", exported)
    total, _ = runner.descend(content, targets, 0, RATE)
    transfer = nst.StyleTransfer(content, styles, scales=1, size=WIDTH, **options)
    want = transfer._stage(WIDTH).evaluate(transfer.backend.from_numpy(planar(content)))
    assert error(total, want.total, "loss") < 1


def test_a_style_for_other_settings_or_of_another_kind_is_refused(exported, network, tmp_path):
    path = tmp_path / "a.safetensors"
    export_style(picture(2), path, WIDTH, weights=random_weights(1, 1 / 16), pooling="max", backend="numpy")
    with pytest.raises(NSTError, match=r"network is .* here and .* there; pooling is max here and avg there"):
        read_style(path, exported)
    export_style(picture(2), path, 64, weights=network, backend="numpy")
    with pytest.raises(NSTError, match="longest side is 64 here and 48 there"):
        read_style(path, exported)
    with pytest.raises(NSTError, match="cannot be read as an ONNX model"):
        read_style(path, path)
    with pytest.raises(NSTError, match="not a style"):
        read_style(exported, exported)


def test_eight_bit_weights_stay_eight_bits(exported, network):
    onnx = pytest.importorskip("onnx")
    stored = {tensor.name: tensor for tensor in onnx.load(exported).graph.initializer}
    large = {layer: w for layer, (w, _) in network.convolutions.items() if w.size >= 1024}
    for layer in [layer for layer in large if layer <= "conv5_1"]:
        assert stored[f"{layer}.weight.index"].data_type == onnx.TensorProto.UINT8
        assert f"{layer}.weight" not in stored
    numbers = sum(w.size for layer, w in large.items() if layer <= "conv5_1")
    assert numbers < exported.stat().st_size < 2.5 * numbers


@pytest.mark.slow
def test_the_network_of_the_package_takes_13_megabytes(tmp_path):
    onnx = pytest.importorskip("onnx")
    export_onnx(tmp_path / "step.onnx", (16, 16), weights="embedded")
    assert (tmp_path / "step.onnx").stat().st_size < 13.1e6  # 12 940 992 weights of conv1_1 to conv5_1
    texts = {entry.key: entry.value for entry in onnx.load(tmp_path / "step.onnx").metadata_props}
    assert "CC BY 4.0 (VGG19: Karen Simonyan and Andrew Zisserman" in texts["license"]


def test_graphs_of_several_sizes_share_one_file_of_weights(exported, network, tmp_path):
    shared = tmp_path / "network.bin"
    for size in ((WIDTH, HEIGHT), (64, 32)):
        export_onnx(tmp_path / f"{size[0]}.onnx", size, weights=network, weights_file=shared)
    feeds = {"picture": planar(picture(1))}
    one, two = Runner(exported).run(feeds), Runner(tmp_path / "48.onnx").run(feeds)
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name])
    Runner(tmp_path / "64.onnx").run({})
    with pytest.raises(NSTError, match="holds other weights"):
        export_onnx(
            tmp_path / "48.onnx", (WIDTH, HEIGHT), weights=random_weights(0, 1 / 16), weights_file=shared
        )
    with pytest.raises(NSTError, match="must be in the folder"):
        export_onnx(tmp_path / "48.onnx", (WIDTH, HEIGHT), weights=network, weights_file="other.bin")


def test_the_program_in_the_documentation_paints(exported, root, monkeypatch):
    page = (root / "docs/export.md").read_text()
    program = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(exported.parent)
    names = {"photograph": planar(picture(1)), "painting": planar(picture(2))}
    exec(program, names)  # an own name space
    runner = Runner(exported)
    first = runner.run({**names["goal"], "picture": names["photograph"]})["total"]
    assert names["total"] < 0.5 * first
    assert names["state"]["age"] == 100


def test_the_file_says_what_is_in_it(exported, network):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    for value in (*model.graph.input, *model.graph.output):
        assert value.doc_string, value.name
        assert all(dimension.dim_value for dimension in value.type.tensor_type.shape.dim), value.name
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert texts["license"].endswith(f"weights ({network.name}): none")
    assert "sRGB" in texts["pictures"]
    facts = json.loads(texts["nst"])
    assert (facts["width"], facts["height"], facts["adam"]) == (WIDTH, HEIGHT, True)
    assert facts["identity"]["network"] == network.sha256
    free = {"picture", "first_moment", "second_moment", "age", "rate"}
    assert {value.name for value in model.graph.input} == {*facts["content"], *facts["style"], *free}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smoothing": True}, "smoothing cannot be exported"),
        ({"steps": 10}, "steps is not part"),
        ({"bogus": 1}, "'bogus' is not a setting"),
        ({"padding": "circular", "style_layers": "conv2_1", "content_layers": ()}, "would be 48x32"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(settings, message, network, tmp_path):
    with pytest.raises(SettingsError, match=message) as caught:
        export_onnx(tmp_path / "step.onnx", (WIDTH + 1, HEIGHT), weights=network, **settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_commands(command, weights_file, pictures, tmp_path):
    small = ("--weights", weights_file, "--content-layers", "conv2_2", "--style-layers", "conv1_1,conv2_1")
    done = command("export-onnx", "-o", "step.onnx", "--size", "32x24", *small, "--weights-file", "w.bin")
    assert (done.status, done.stderr) == (0, "")
    assert "32x24" in done.stdout
    assert "w.bin" in done.stdout
    styles = (pictures.style, pictures.other, "--style-weights", "2,1")
    done = command("export-style", *styles, "-o", "s.safetensors", "--size", 32, *small)
    assert (done.status, done.stderr) == (0, "")
    assert read_style("s.safetensors", "step.onnx")["style/conv1_1/second"].shape == (1, 4, 4)
    for options, message in (
        (("export-onnx", "-o", "a.onnx", "--size", "32"), "not a size such as 256x192"),
        (("export-onnx", "-o", "none/a.onnx", "--size", "32x24", *small), "there is no folder"),
        (
            ("export-style", "a.png", "-o", "a.safetensors", "--size", "content", *small),
            "not a valid integer",
        ),
        (("export-style", "none.png", "-o", "a.safetensors", "--size", 32, *small), "none.png"),
    ):
        done = command(*options)
        assert done.status == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
