"""`nst.stylize` and `nst.StyleTransfer` as a program calls them."""

import gc
import pickle
import weakref
from copy import copy

import numpy as np
import pytest
from PIL import Image

import nst
from nst.backends.numpy.backend import NumpyBackend
from nst.errors import ImageError, SettingsError
from nst.models.forward import activations
from nst.models.random import random_weights

SIZE = (32, 24)


@pytest.fixture
def options(small_network):
    """The textbook's steps from the picture itself: what is amplified makes two steps depend on the last bits."""
    plain = {"octave_noise": 0, "padding": "zero", "metric": 0}
    return {"backend": "numpy", "weights": small_network, "steps": 2, "size": "content", **plain}


@pytest.fixture
def content(pictures):
    """(24, 32, 3) uint8."""
    return np.asarray(Image.open(pictures.content))


@pytest.fixture
def style(pictures):
    return np.asarray(Image.open(pictures.style))


@pytest.fixture
def expected(content, style, options):
    """The result in [0, 1], (24, 32, 3), that every kind of input must give."""
    return nst.stylize(content / 255, style / 255, **options)


def test_pil_images(content, style, options, expected):
    given = Image.fromarray(content)
    before = given.tobytes()
    result = nst.stylize(given, Image.fromarray(style), **options)
    assert isinstance(result, Image.Image)
    assert (result.size, result.mode) == (SIZE, "RGB")
    assert np.abs(np.asarray(result) / 255 - expected).max() <= 0.5 / 255 + 1e-6
    assert np.abs(np.asarray(result).astype(float) - content).max() > 3
    assert given.tobytes() == before


def test_pil_image_with_alpha_and_paths(pictures, options):
    result = nst.stylize(Image.open(pictures.rgba), pictures.style, **options)
    assert (result.size, result.mode) == (SIZE, "RGBA")
    assert np.array_equal(np.asarray(result)[..., 3], np.asarray(Image.open(pictures.rgba))[..., 3])
    assert nst.stylize(str(pictures.content), pictures.style, **options).mode == "RGB"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("batched", [False, True])
def test_numpy_arrays(dtype, batched, content, style, options, expected):
    top = np.iinfo(dtype).max if dtype.startswith("u") else 1.0
    given = (content / 255 * top).astype(dtype)
    given = given[None] if batched else given
    before = given.copy()
    result = nst.stylize(given, style, **options)
    assert (type(result), result.dtype, result.shape) == (np.ndarray, given.dtype, given.shape)
    values = result[0] if batched else result
    assert np.abs(values.astype(float) / top - expected).max() < 0.02
    assert np.array_equal(given, before)


def test_batches_of_numpy(content, style, options, expected):
    given = np.stack([content, content[:, ::-1]]) / 255
    result = nst.stylize(given, style / 255, **options)
    assert (result.shape, result.dtype) == (given.shape, given.dtype)
    np.testing.assert_allclose(result[0], expected, atol=1e-6)
    np.testing.assert_allclose(result[1], nst.stylize(given[1], style / 255, **options), atol=1e-6)
    with pytest.raises(ImageError, match=r"a batch of shape \(0, 24, 32, 3\) has no picture in it"):
        nst.stylize(given[:0], style / 255, **options)


def test_batches_of_torch(content, style, options, need):
    need("torch")
    import torch

    given = torch.from_numpy(np.stack([content, content[:, ::-1]])).permute(0, 3, 1, 2)
    result = nst.stylize(given, style, **options)
    assert (result.shape, result.dtype) == (given.shape, torch.uint8)
    assert torch.equal(result[1], nst.stylize(given[1], style, **options))


def test_results_are_c_contiguous(content, style, options):
    for result in (nst.stylize(content, style, **options), nst.stylize(content / 255, style, **options)):
        assert result.flags.c_contiguous


def test_the_bytes_of_files(pictures, options):
    from pathlib import Path

    expected = nst.stylize(pictures.content, pictures.style, **options)
    given = [Path(path).read_bytes() for path in (pictures.content, pictures.style)]
    assert nst.stylize(*given, **options).tobytes() == expected.tobytes()


def test_grey_array_gives_colour_back(content, style, options):
    assert nst.stylize(content[..., 0], style, **options).shape == (24, 32, 3)


def test_size(content, style, options):
    def size(**given):
        return nst.StyleTransfer(content, style, **{**options, **given}).size

    assert nst.stylize(content, style, **{**options, "size": 48}).shape == (36, 48, 3)
    assert size(size="content") == (32, 24)
    del options["size"]
    assert size() == (512, 384)  # as on the command line


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("batched", [False, True])
def test_torch_tensors(dtype, batched, content, style, options, expected, need):
    need("torch")
    import torch

    given = torch.from_numpy(content.copy()).permute(2, 0, 1)
    given = given if dtype == "uint8" else (given.double() / 255).to(getattr(torch, dtype))
    given = given[None] if batched else given
    before = given.clone()
    result = nst.stylize(given, torch.from_numpy(style.copy()).permute(2, 0, 1), **options)
    assert isinstance(result, torch.Tensor)
    assert (result.dtype, result.shape, result.device) == (given.dtype, given.shape, given.device)
    assert not result.requires_grad
    values = (result[0] if batched else result).permute(1, 2, 0).double().numpy()
    assert np.abs(values / (255 if dtype == "uint8" else 1) - expected).mean() < 0.01
    assert torch.equal(given, before)


def test_torch_with_channels_last(content, style, options, need):
    """As ComfyUI has pictures: (B, H, W, C); one of them, and a style and a start of the same kind."""
    need("torch")
    import torch

    given, other = (torch.from_numpy(array.copy()).float() / 255 for array in (content, style))
    planes = nst.stylize(given.permute(2, 0, 1), style, **options)
    assert torch.equal(nst.stylize(given, other, layout="hwc", **options), planes.permute(1, 2, 0))
    both = torch.stack([given, given.flip(1)])
    result = nst.stylize(both, other, layout="hwc", **options)
    assert result.shape == both.shape
    assert torch.equal(result[0], planes.permute(1, 2, 0))
    started = nst.stylize(given, other, init=given, layout="hwc", scales=1, **options)
    np.testing.assert_array_equal(started, planes.permute(1, 2, 0))
    with pytest.raises(ImageError, match="layout='hwc'"):
        nst.stylize(given, style, **options)
    with pytest.raises(SettingsError, match="choose from chw, hwc"):
        nst.stylize(given, style, layout="whc", **options)


def test_what_a_transfer_shows_of_itself(content, style, options):
    """To run it, what it will do (programs count its steps by `schedule`), and no inner things."""
    inner = {"paint_under", "stage", "limits", "frame", "devices", "scene"}
    assert not inner & set(dir(nst.StyleTransfer(content, style, **options)))


def test_torch_tensor_that_requires_grad(content, style, options, need):
    need("torch")
    import torch

    given = (torch.from_numpy(content.copy()).permute(2, 0, 1).float() / 255).requires_grad_()
    result = nst.stylize(given, style, **options | {"backend": "torch", "device": "cpu"})
    assert result.shape == given.shape
    assert given.grad is None


def test_a_subclass_of_torch_tensor_is_a_tensor_wherever_it_comes_from(content, style, options, need):
    """As torchvision's tv_tensors.Image is: a class of another module."""
    need("torch")
    import torch

    Picture = type("Image", (torch.Tensor,), {"__module__": "torchvision.tv_tensors"})
    plain = torch.from_numpy(content.copy()).permute(2, 0, 1)
    result = nst.stylize(plain.as_subclass(Picture), style, **options)
    assert isinstance(result, torch.Tensor)
    assert torch.equal(result, nst.stylize(plain, style, **options))


def test_a_thing_that_is_no_picture_is_named_by_its_type(content, style, options):
    with pytest.raises(ImageError, match="cannot use what is of type range as a picture; give a path,"):
        nst.stylize(range(3), style, **options)


def test_torch_tensor_with_channels_last_says_what_is_wrong(content, style, options, need):
    need("torch")
    import torch

    with pytest.raises(ImageError, match=r"must be \(C, H, W\)"):
        nst.stylize(torch.from_numpy(content.copy()), style, **options)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
def test_tensorflow_tensors(dtype, batched, content, style, options, expected, need):
    need("tf")
    import tensorflow as tf

    top = 255 if dtype == "uint8" else 1
    given = tf.cast(tf.constant(content / 255 * top), dtype)
    given = given[None] if batched else given
    result = nst.stylize(given, tf.constant(style), **options)
    assert tf.is_tensor(result)
    assert (result.dtype, result.shape, result.device) == (given.dtype, given.shape, given.device)
    values = (result[0] if batched else result).numpy().astype(float) / top
    assert np.abs(values - expected).mean() < 0.01


def test_a_variable_of_tensorflow_and_its_own_backend(content, style, options, need):
    need("tf")
    import tensorflow as tf

    variable = tf.Variable(tf.constant(content))
    assert nst.stylize(variable, style, **options).dtype == tf.uint8
    assert np.array_equal(variable.numpy(), content)
    given = tf.constant(content / 255)
    assert nst.stylize(given, style, **options | {"backend": "tf", "device": "cpu"}).dtype == given.dtype


class Counting(NumpyBackend):
    """Counts the times that it waits for the device: `scalars` and `to_numpy`."""

    def __init__(self):
        super().__init__()
        self.waits, scalars = 0, self.space.scalars

        def counted(values):
            self.waits += 1
            return scalars(values)

        self.space = copy(self.space)
        self.space.scalars = counted

    def to_numpy(self, tensor):
        self.waits += 1
        return super().to_numpy(tensor)


def test_losses_and_image_wait_only_when_called(content, style, options):
    def waits(look):
        backend = Counting()
        for record in nst.StyleTransfer(
            content, style, **options | {"backend": backend, "steps": 4}
        ).iterate():
            look(record)
        return backend.waits

    quiet = waits(lambda record: None)
    assert waits(lambda record: record.losses()) == quiet + 5
    assert waits(lambda record: record.image()) == quiet + 5
    assert waits(lambda record: record.picture()) == quiet + 5


def test_iterate(content, style, options):
    transfer = nst.StyleTransfer(content, style, **options | {"steps": 3})
    assert transfer.size == SIZE
    records = list(transfer.iterate())
    assert [(r.step, r.steps, r.size, r.stopped) for r in records] == [(i, 3, SIZE, None) for i in range(4)]
    assert [r.seconds for r in records] == sorted(r.seconds for r in records)
    totals = [r.losses().total for r in records]
    assert totals == sorted(totals, reverse=True)
    assert set(records[0].losses().terms) == {"content", "style"}
    assert records[0].losses().terms["content"] == pytest.approx(0, abs=1e-9)
    # an old record keeps its picture
    assert np.array_equal(records[0].image(), content)
    assert len({r.image().tobytes() for r in records}) == 4
    # and the whole can be run again, with the same outcome
    seen = []
    assert np.array_equal(transfer.run(seen.append), records[-1].image())
    assert [r.step for r in seen] == [0, 1, 2, 3]


def test_open_weights_are_worked_out(content, style, options):
    """alpha L_content of a picture without features is 1, and beta is the balance of the relative style loss."""
    transfer = nst.StyleTransfer(content, style, balance=7.0, **options)
    record = next(transfer.iterate())
    assert (record.settings.content_weight, record.settings.style_weight, record.settings.size) == (
        None,
        None,
        32,
    )
    features = dict(activations(transfer.weights, transfer.content.rgb))
    silent = 0.5 * np.square(features["conv4_2"].astype(np.float64)).sum()
    assert record.weights == {"content": pytest.approx(1 / silent, rel=1e-5), "style": 7.0}
    fixed = nst.StyleTransfer(content, style, content_weight=2.0, style_weight=3, tv_weight=4, **options)
    assert next(fixed.iterate()).weights == {"content": 2.0, "style": 3, "tv": 4}


def test_start_from_a_picture_of_another_kind_and_size(content, style, options):
    start = Image.new("RGB", (100, 50), (10, 200, 30))
    first = next(nst.StyleTransfer(content, style, init=start, **options).iterate()).image()
    assert first.shape == (24, 32, 3)
    assert np.abs(first - np.array([10.0, 200.0, 30.0])).max() <= 1


def test_functions_for_backend_and_weights(content, style, small_network):
    called = []

    def backend():
        called.append("backend")
        return NumpyBackend()

    def weights():
        called.append("weights")
        return small_network

    with pytest.raises(ImageError):
        nst.stylize(content, "missing.png", backend=backend, weights=weights)
    with pytest.raises(SettingsError):
        nst.stylize(content, style, steps=-1, backend=backend, weights=weights)
    assert called == []
    assert (
        nst.stylize(content, style, steps=1, size="content", backend=backend, weights=weights).shape
        == content.shape
    )
    assert called == ["backend", "weights"]


def test_the_seed_decides_random_weights(content, style, monkeypatch):
    def small(seed):
        return random_weights(seed, 1 / 16)

    def network(seed):
        return nst.StyleTransfer(content, style, weights="random", backend="numpy", seed=seed).weights

    monkeypatch.setattr("nst.models.random.random_weights", small)
    assert network(3).sha256 == small(3).sha256 != network(4).sha256


WRONG = [
    ({"content_layers": {"conv1_1": "heavy"}}, "the weight of conv1_1 is 'heavy'"),
    ({"style_layers": {"conv1_1": None}}, "the weight of conv1_1 is None"),
    ({"style_layers": {"conv1_1": -0.5}}, "weight of conv1_1 is -0.5"),
    ({"style_layers": ["conv1_1", "conv7_1"]}, "unknown layer 'conv7_1'"),
    ({"style_weights": [1, 2]}, "2 style weights for 1"),
    ({"style_weights": [float("nan")]}, "style weights"),
    ({"stepz": 3}, "unknown setting 'stepz'"),
    ({"steps": 2.5}, "steps is 2.5"),
    ({"steps": True}, "steps is True"),
    ({"content_weight": "1"}, "content weight is '1'"),
    ({"size": 0}, "size is 0"),
    ({"pooling": "mean"}, "pooling is 'mean'"),
    ({"optimizer": "sgd"}, "optimizer is 'sgd'"),
]


@pytest.mark.parametrize(
    ("wrong", "cause"), WRONG, ids=[next(iter(w)) + str(i) for i, (w, _) in enumerate(WRONG)]
)
def test_wrong_settings(wrong, cause, content, style, options):
    with pytest.raises(SettingsError) as error:
        nst.StyleTransfer(content, style, **options | wrong)
    assert cause in str(error.value)
    assert "\n" not in str(error.value)


def test_layers_in_every_form(content, style, options):
    def layers(spec):
        return nst.StyleTransfer(content, style, style_layers=spec, **options).settings.style_layers

    assert layers("conv1_1,conv2_1=3") == {"conv1_1": 0.5, "conv2_1": 3.0}
    assert layers(["conv1_1", "conv2_1=3"]) == {"conv1_1": 0.5, "conv2_1": 3.0}
    assert layers({"conv2_1": 3, "conv1_1": 0}) == {"conv2_1": 3.0}


def test_no_style(content, options):
    with pytest.raises(SettingsError, match="no style picture"):
        nst.stylize(content, [], **options)


@pytest.mark.parametrize("thing", [None, 5, b"bytes", [[0.5]]])
def test_what_is_no_picture(thing, style, options):
    with pytest.raises(ImageError):
        nst.stylize(thing, style, **options)
    with pytest.raises(ImageError):
        nst.stylize(style, style, init=thing, **options)


def test_public_names():
    for name in nst.__all__:
        assert getattr(nst, name) is not None
    assert set(dir(nst)) == {*nst.__all__, "plot"}
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        getattr(nst, "paint")  # noqa: B009


def test_an_optimizer_by_name_or_as_an_object(content, style, options):
    named = nst.StyleTransfer(content, style, **(options | {"optimizer": "adam"}))
    given = nst.StyleTransfer(content, style, **(options | {"optimizer": nst.Adam()}))
    assert (named.settings.optimizer, given.settings.optimizer) == ("adam", "custom")
    assert np.array_equal(named.run(), given.run())
    with pytest.raises(nst.SettingsError, match="optimizer is 'sgd': it must be lbfgs, adam, or"):
        nst.StyleTransfer(content, style, **(options | {"optimizer": "sgd"}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"tile": 32}, {"tile": 32, "padding": "circular", "tv_weight": 1.0}, {"smoothing": True}],
    ids=["at once", "windows", "circular windows", "smoothing"],
)
@pytest.mark.parametrize("name", ["numpy", "torch", "tf", "onnx"])
def test_what_a_run_has_taken_is_free_when_it_is_over(name, options, small_network, need):
    """Not when Python's collector of cycles comes by: a service paints hundreds of pictures until then."""
    need(name)
    backend, networks = nst.get_backend(name, "cpu"), []
    own = backend.network

    def network(*arguments):
        made = own(*arguments)
        networks.append(weakref.ref(made))
        return made

    backend.network = network
    content, style = (np.random.default_rng(seed).random((48, 64, 3), np.float32) for seed in (1, 2))
    layers = {"content_layers": "conv2_1", "style_layers": "conv1_1,conv2_1"}
    gc.collect()
    gc.disable()
    try:
        settings = {"weights": small_network, "steps": 2, "size": "content", **layers, **options}
        nst.stylize(content, style, backend=backend, **settings)
        assert networks
        assert [made() for made in networks] == [None] * len(networks)
    finally:
        gc.enable()


def test_names_of_before_are_there_for_one_more_release(content, style, options, expected):
    with pytest.warns(DeprecationWarning, match=r"nst\.Workshop is now nst\.Cache"):
        assert nst.Workshop is nst.Cache
    with pytest.warns(DeprecationWarning, match="workshop= is now cache=") as warned:
        result = nst.stylize(content / 255, style / 255, workshop=nst.Cache(), **options)
    assert warned[0].filename == __file__
    assert np.array_equal(result, expected)
    with pytest.warns(DeprecationWarning, match="workshop= is now cache="):
        nst.StyleTransfer(content, style, workshop=None, **options)
    with pytest.warns(DeprecationWarning, match="workshop= is now cache="):
        nst.invert(content, layer="conv2_1", workshop=nst.Cache(), **options)


def test_a_transfer_that_is_sent_to_another_process_says_what_to_send_instead(small_transfer):
    with pytest.raises(nst.NSTError, match="send its arguments and make it there"):
        pickle.dumps(small_transfer)
