"""Finding backends, choosing devices, and the native networks that a team can take away."""

import json
import sys
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import nst
from nst.backends import backend_names, get_backend
from nst.backends.autotune import choose_precision, settled_precision
from nst.backends.registry import BUILTIN, backend_class, how_to_install
from nst.backends.selection import parse_device
from nst.checkpoint import read_checkpoint
from nst.cli.like import read_picture_settings
from nst.errors import BackendError, ImageError, NSTError
from nst.models.random import random_weights


def test_every_backend_of_the_project_is_installed_here():
    assert [name for name in backend_names() if how_to_install(name) is None] == [
        "torch",
        "onnx",
        "tf",
        "numpy",
    ]


def test_aliases_name_the_same_class():
    assert backend_class("onnxruntime") is backend_class("onnx")
    assert backend_class("auto") is backend_class("torch")


def test_a_missing_backend_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(BUILTIN, "tf", ("nst.backends.tensorflow.backend:X", ("no_such_module",)))
    with pytest.raises(BackendError, match=r"backend tf is not installed: pip install 'nst\[tensorflow\]'"):
        get_backend("tensorflow")


def test_an_unknown_backend_lists_the_known():
    with pytest.raises(
        BackendError, match="unknown backend 'abacus': choose from auto, torch, onnx, tf, numpy"
    ):
        get_backend("abacus")


MINE = """
from nst.backends.numpy.backend import NumpyBackend

class Mine(NumpyBackend):
    name = "mine"

mistake = 3
"""


def test_a_class_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "placed.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    backend = get_backend("placed:Mine", dtype="float32")
    assert (backend.name, backend.dtype) == ("mine", "float32")
    assert choose_precision(get_backend("placed:Mine")) == "float64"
    assert settled_precision(get_backend("placed:Mine"), "auto") is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("no_such_module:Mine", "cannot load no_such_module:Mine: No module named 'no_such_module'"),
        ("json:Mine", "cannot load json:Mine: module 'json' has no attribute 'Mine'"),
        (":Mine", "cannot load :Mine: Empty module name"),
        ("json:", "cannot load json:: module 'json' has no attribute ''"),
        ("json:loads", "json:loads is not a backend"),
        ("json:JSONDecoder", "json:JSONDecoder is not a backend"),
    ],
)
def test_a_place_without_a_backend(spec, words):
    with pytest.raises(BackendError) as error:
        get_backend(spec)
    assert str(error.value).startswith(words)


def test_no_file_may_say_what_is_imported(tmp_path, small_network, pictures):
    """A checkpoint or a picture of a stranger's with a module for a backend."""
    run = nst.StyleTransfer(
        pictures.content, pictures.style, backend="numpy", weights=small_network, size=32, steps=1
    )
    next(iter(run.iterate()))
    run.save(tmp_path / "run.nst")
    saved = read_checkpoint(tmp_path / "run.nst")
    document = {**saved.document, "backend": {**saved.document["backend"], "name": "antigravity:x"}}
    with pytest.raises(NSTError, match="names the backend 'antigravity:x'"):
        nst.StyleTransfer.resume(replace(saved, document=document), weights=small_network)

    picture = tmp_path / "picture.png"
    settings = {"content": "p.png", "styles": [], "init": "content", "backend": "antigravity:x"}
    metadata = PngInfo()
    metadata.add_text("nst", json.dumps({"settings": settings}))
    Image.new("RGB", (4, 4)).save(picture, pnginfo=metadata)
    with pytest.raises(ImageError, match="carries no settings"):
        read_picture_settings(picture)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("auto", ("auto", 0)), ("cuda", ("cuda", 0)), ("cuda:3", ("cuda", 3)), ("mps", ("mps", 0))],
)
def test_devices_are_parsed(text, parsed):
    assert parse_device(text) == parsed


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:x", "cpu:0", "mps:1", ""])
def test_devices_that_do_not_exist(text):
    with pytest.raises(BackendError, match="choose auto, cpu, cuda, cuda:N or mps"):
        parse_device(text)


@pytest.mark.parametrize("name", ["numpy", "torch", "onnx"])
def test_an_unsupported_dtype_lists_the_supported(name):
    with pytest.raises(BackendError, match=f"backend {name} does not compute in 'int8': choose float"):
        get_backend(name, dtype="int8")


@pytest.mark.parametrize("name", ["numpy", "torch", "onnx"])
def test_a_device_that_is_not_there_says_what_to_do(name):
    for device in ("cuda:7", "mps"):
        with pytest.raises(BackendError, match="use --device cpu"):
            get_backend(name, device)


def features(backend, weights, x, layers):
    network = backend.network(weights, layers, "avg")
    maps = backend.evaluate(lambda ops, x, c: network(ops, x), backend.from_numpy(x), {})
    return network, {layer: backend.to_numpy(value) for layer, value in maps.items()}


LAYERS = ["conv1_1", "conv2_1", "conv3_2"]


def test_the_onnx_model_is_valid_and_works_at_any_size(small_network):
    import onnx
    import onnxruntime as ort

    x = np.random.default_rng(0).random((1, 3, 21, 34)).astype(np.float32)
    network, expected = features(get_backend("onnx"), small_network, x, LAYERS)
    onnx.checker.check_model(network.native, full_check=True)
    session = ort.InferenceSession(network.native.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, value in zip(LAYERS, session.run(LAYERS, {"x": x}), strict=True):
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


def test_the_torch_module_works_without_nst(small_network):
    import torch

    x = np.random.default_rng(0).random((1, 3, 21, 34)).astype(np.float32)
    network, expected = features(get_backend("torch"), small_network, x, LAYERS)
    assert isinstance(network.native, torch.nn.Module)
    assert not any(p.requires_grad for p in network.native.parameters())
    assert "conv3_2.weight" in network.native.state_dict()
    assert "conv3_3.weight" not in network.native.state_dict()  # only as deep as asked
    for name, value in network.native(torch.from_numpy(x)).items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_keras_model_works_without_nst(small_network, need):
    need("tf")
    import keras

    x = np.random.default_rng(0).random((1, 3, 21, 34)).astype(np.float32)
    _, expected = features(get_backend("numpy"), small_network, x, LAYERS)
    model = get_backend("tf").network(small_network, LAYERS, "avg").native
    assert isinstance(model, keras.Model)
    assert model.trainable_weights == []
    assert model.layers[-1].name == "conv3_2"
    maps = model(x.transpose(0, 2, 3, 1))
    sums = {name: float(np.abs(value).sum()) for name, value in expected.items()}
    assert {name: float(np.abs(value).sum()) for name, value in maps.items()} == pytest.approx(sums, rel=1e-4)


def test_tensorflow_would_leave_gpu_memory_to_others(need):
    """Without a GPU: with one pretended, memory growth is asked for before it is used."""
    need("tf")
    from nst.backends.tensorflow import backend

    config = backend.tf.config
    with (
        mock.patch.object(config, "list_physical_devices", return_value=["GPU-A"]),
        mock.patch.object(config.experimental, "set_memory_growth") as growth,
    ):
        assert backend._choose_device("auto") == "cuda:0"
    assert growth.call_args == mock.call("GPU-A", True)


def test_torch_keeps_channels_last(small_network):
    import torch

    backend = get_backend("torch")
    x = backend.from_numpy(np.zeros((1, 3, 8, 8)))
    module = backend.network(small_network, ["conv1_2"], "avg").native
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert module.conv1_2.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("tile", ["off", 32])
def test_torch_computes_the_same_in_the_callers_modes(small_network, optimizer, tile, need):
    """A service may sit in inference mode, or in an autocast region: neither is the network's business."""
    need("torch")
    import torch

    rng = np.random.default_rng(3)
    content, style = (torch.from_numpy(rng.random((3, 48, 40), np.float32)) for _ in range(2))
    layers = {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1"}

    def result():
        return nst.stylize(
            content, style, backend="torch", device="cpu", weights=small_network, steps=3, optimizer=optimizer,
            tile=tile, size="content", **layers,
        )  # fmt: skip

    expected = result()
    modes = [
        torch.inference_mode(),
        torch.no_grad(),
        torch.autocast("cpu", torch.bfloat16),
        torch.autocast("cpu", torch.float16),
    ]
    for mode in modes:
        with mode:
            assert torch.equal(result(), expected)


def _painted(backend, weights, size=32):
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    options = {"weights": weights, "size": size, "steps": 1, "scales": 1, "progress": False}
    return nst.stylize(picture, picture[::-1].copy(), backend=backend, **options)


@pytest.mark.slow
def test_keras_that_is_set_to_channels_first(need, small_network):
    need("tf")
    expected = _painted("tf", small_network)
    import keras

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        np.testing.assert_array_equal(_painted("tf", small_network), expected)
    finally:
        keras.config.set_image_data_format(before)


def test_tensorflow_that_builds_a_graph(need, small_network):
    need("tf")
    import tensorflow as tf

    backend = get_backend("tf")

    @tf.function(autograph=False)  # which would put its own words around ours
    def traced():
        with pytest.raises(BackendError, match="call nst outside of it"):
            get_backend("tf")
        with pytest.raises(BackendError, match="call nst outside of it"):
            _painted(backend, small_network)
        return 1

    traced()
    with tf.Graph().as_default(), pytest.raises(BackendError, match=r"tf\.function, a tf\.Graph"):
        _painted("tf", small_network)


@pytest.mark.slow
def test_a_compiled_function_paints_as_the_page_says(need):
    """Dynamo would go through all of nst (docs/embedding.md)."""
    need("torch")
    torch = pytest.importorskip("torch")
    pictures = [torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    fixed = {"backend": "torch", "device": "cpu", "precision": "fp32", "weights": "random", "steps": 1}
    paint = torch.compiler.disable(nst.stylize)

    def painted(content, style):
        return (
            paint(content * 1.0, style, size="content", style_layers="conv1_1", **fixed, content_weight=0) * 2
        )

    compiled = torch.compile(painted, backend="eager")
    assert torch.equal(compiled(*pictures), painted(*pictures))


@pytest.mark.slow
def test_torch_with_another_default_device_and_type(need):
    """Wide and large enough for Winograd's convolution."""
    need("torch")
    import torch

    weights = random_weights(0, 1 / 2, depth="conv5_1")
    expected = _painted("torch", weights, 64)
    torch.set_default_device("meta")  # which holds no numbers
    torch.set_default_dtype(torch.float64)
    try:
        np.testing.assert_array_equal(_painted("torch", weights, 64), expected)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
