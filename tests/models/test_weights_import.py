"""Every format in use gives the same network: the same tensors and the same first features."""

import json
from collections import OrderedDict

import numpy as np
import pytest

from nst.errors import ImageError, WeightsError
from nst.models.forward import activations
from nst.models.importers import CONVENTIONS, detect, import_file
from nst.models.random import probe, random_weights
from nst.models.weights import NetworkWeights, save_weights
from nst.pictures.reading import read_picture

FEATURES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
FEATURES_16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
BLOCKS = {"VGG19": (2, 2, 4, 4, 4), "VGG16": (2, 2, 3, 3, 3)}


def native_tensors(seed=0, depth="conv5_4", network="VGG19"):
    """Layer -> (weight, bias) in whatever channel order a file holds them; biases are not 0."""
    rng = np.random.default_rng(seed)
    pairs = random_weights(seed, 1 / 16, depth).convolutions.items()
    return {
        layer: (weight, rng.normal(0, 0.1, bias.shape).astype(np.float32))
        for layer, (weight, bias) in pairs
        if int(layer[6]) <= BLOCKS[network][int(layer[4]) - 1]
    }


def flat(tensors, name):
    """{name(layer, index, "weight"): array} for the formats that keep a dictionary."""
    result = OrderedDict()
    for index, (layer, (weight, bias)) in enumerate(tensors.items()):
        result[name(layer, index, "weight")] = weight
        result[name(layer, index, "bias")] = bias
    return result


def torchvision_state(tensors):
    positions = FEATURES if len(tensors) < 8 or "conv3_4" in tensors else FEATURES_16
    return flat(tensors, lambda layer, index, part: f"features.{positions[index]}.{part}")


def own_name(layer, index, part):
    return f"{layer}.{part}"


def write_torch(path, state, legacy):
    torch = pytest.importorskip("torch")
    state = OrderedDict((name, torch.from_numpy(array.copy())) for name, array in state.items())
    state._metadata = OrderedDict(version=1)  # as a module's state_dict() has it
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)


def write_torchvision_zip(path, tensors):
    state = torchvision_state(tensors)
    state["classifier.0.weight"] = np.ones((4, 4), np.float32)
    write_torch(path, state, legacy=False)


def write_torchvision_legacy(path, tensors):
    write_torch(path, torchvision_state(tensors), legacy=True)


def write_jcjohnson(path, tensors):
    state = torchvision_state(tensors)
    state["classifier.1.weight"] = np.ones((4, 4), np.float32)
    write_torch(path, state, legacy=True)


def write_gatys(path, tensors):
    write_torch(path, flat(tensors, own_name), legacy=True)


def write_keras1(path, tensors):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for layer, (weight, bias) in tensors.items():
            name = f"block{layer[4]}_conv{layer[6]}"
            group = file.create_group(name)
            group[f"{name}_W_1:0"] = weight.transpose(2, 3, 1, 0)
            group[f"{name}_b_1:0"] = bias


def write_keras2(path, tensors):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for layer, (weight, bias) in tensors.items():
            name = f"block{layer[4]}_conv{layer[6]}"
            group = file.create_group(f"model_weights/{name}/{name}")
            group["kernel:0"] = weight.transpose(2, 3, 1, 0)
            group["bias:0"] = bias


def write_keras3(path, tensors):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for index, (weight, bias) in enumerate(tensors.values()):
            group = file.create_group(f"layers/conv2d{f'_{index}' if index else ''}/vars")
            group["0"] = weight.transpose(2, 3, 1, 0)
            group["1"] = bias


def write_matconvnet(path, tensors, old=False):
    io = pytest.importorskip("scipy.io")
    layers = np.empty((1, 2 * len(tensors)), object)
    for index, (layer, (weight, bias)) in enumerate(tensors.items()):
        weight, bias = weight.transpose(2, 3, 1, 0), bias[None]
        if old:
            layers[0, 2 * index] = {"name": layer, "type": "conv", "filters": weight, "biases": bias}
        else:
            pair = np.empty((1, 2), object)
            pair[0, 0], pair[0, 1] = weight, bias
            layers[0, 2 * index] = {"name": layer, "type": "conv", "weights": pair}
        layers[0, 2 * index + 1] = {"name": f"relu{layer[4:]}", "type": "relu"}
    average = np.float32(CONVENTIONS["caffe-rgb"].mean)
    if old:
        normalization = {
            "averageImage": np.broadcast_to(average, (8, 8, 3)).copy(),
            "imageSize": [224, 224, 3],
        }
        io.savemat(path, {"layers": layers, "normalization": normalization})
    else:
        meta = {"normalization": {"averageImage": average.reshape(1, 1, 3)}}
        io.savemat(path, {"layers": layers, "meta": meta}, do_compression=True)


def write_matconvnet_old(path, tensors):
    write_matconvnet(path, tensors, old=True)


def write_onnx(path, tensors, name=lambda layer, index, part: f"vgg0_conv{index}_{part}"):
    onnx = pytest.importorskip("onnx")
    nodes, initializers = [], []
    for index, (layer, (weight, bias)) in enumerate(tensors.items()):
        names = [name(layer, index, part) for part in ("weight", "bias")]
        initializers += [
            onnx.numpy_helper.from_array(a, n) for a, n in zip((weight, bias), names, strict=True)
        ]
        nodes.append(
            onnx.helper.make_node("Conv", [f"x{index}", *names], [f"x{index + 1}"], kernel_shape=[3, 3])
        )
    info = onnx.helper.make_tensor_value_info
    ends = [info(n, onnx.TensorProto.FLOAT, None) for n in ("x0", f"x{len(tensors)}")]
    graph = onnx.helper.make_graph(nodes, "vgg", ends[:1], ends[1:], initializers[::-1])
    onnx.save(onnx.helper.make_model(graph), path)


def write_onnx_caffe(path, tensors):
    write_onnx(path, tensors, lambda layer, index, part: f"{layer}_{part[0]}_0")


def write_npz(path, tensors):
    np.savez(path.open("wb"), **flat(tensors, own_name))


def write_npz_channels_last(path, tensors):
    members = {}
    for layer, (weight, bias) in tensors.items():
        members |= {f"{layer}_W": weight.transpose(2, 3, 1, 0), f"{layer}_b": bias}
    np.savez(path.open("wb"), **members)


def write_timm(path, tensors):
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in torchvision_state(tensors).items()}, path)


CASES = [
    (write_torchvision_zip, "PyTorch zip", "torchvision", False),
    (write_torchvision_legacy, "PyTorch legacy", "torchvision", False),
    (write_jcjohnson, "PyTorch legacy", "caffe", True),
    (write_gatys, "PyTorch legacy", "caffe", False),
    (write_keras1, "Keras HDF5", "caffe", True),
    (write_keras2, "Keras HDF5", "caffe", True),
    (write_keras3, "Keras HDF5", "caffe", True),
    (write_matconvnet, "MatConvNet", "caffe-rgb", True),
    (write_matconvnet_old, "MatConvNet", "caffe-rgb", True),
    (write_onnx, "ONNX", "torchvision", False),
    (write_onnx_caffe, "ONNX", "caffe", False),
    (write_npz, "npz", "caffe", False),
    (write_npz_channels_last, "npz", "caffe", False),
    (write_timm, "safetensors", "torchvision", False),
]


def native_input(picture, convention):
    """What the network of that convention was trained on, by the textbook: (3, H, W)."""
    if convention == "torchvision":
        rgb = (picture - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        return rgb.transpose(2, 0, 1)
    rgb = 255 * picture - [123.68, 116.779, 103.939]
    return (rgb[..., ::-1] if convention == "caffe" else rgb).transpose(2, 0, 1)


def forward(tensors, maps, blocks):
    """Maps after the last ReLU, in float64, from the network's own input (3, H, W); average pooling."""
    for block, count in enumerate(blocks, 1):
        if block > 1:
            n, h, w = maps.shape
            maps = maps.reshape(n, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
        for i in range(1, count + 1):
            weight, bias = tensors[f"conv{block}_{i}"]
            padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
            maps = np.einsum("ihwkl,oikl->ohw", windows, weight.astype(np.float64), optimize=True)
            maps = np.maximum(maps + bias[:, None, None], 0)
    return maps


@pytest.mark.parametrize("network", BLOCKS)
@pytest.mark.parametrize(("write", "format_", "convention", "certain"), CASES)
def test_every_format_gives_the_same_network(tmp_path, write, format_, convention, certain, network):
    tensors = native_tensors(network=network)
    path = tmp_path / "weights.bin"  # the name says nothing
    write(path, tensors)
    assert detect(path) == format_
    imported = import_file(path, "mine")
    assert (imported.format, imported.convention, imported.certain) == (format_, convention, certain)
    assert imported.weights.name == "mine"
    assert imported.weights.layer_names == tuple(tensors)
    assert len(tensors) == sum(BLOCKS[network])
    for layer, (weight, bias) in tensors.items():
        flipped = layer == "conv1_1" and convention == "caffe"
        got_weight, got_bias = imported.weights.convolutions[layer]
        np.testing.assert_array_equal(got_weight, weight[:, ::-1] if flipped else weight)
        np.testing.assert_array_equal(got_bias, bias)
    picture = probe().transpose(1, 2, 0)[:32, :32]
    features = dict(activations(imported.weights, picture))
    expected = forward(tensors, native_input(picture, convention), BLOCKS[network])
    np.testing.assert_allclose(list(features.values())[-1], expected, rtol=1e-4, atol=1e-4 * expected.max())


@pytest.mark.parametrize("write", [case[0] for case in CASES])
@pytest.mark.parametrize(
    ("network", "depth"),
    [("VGG19", "conv5_1"), ("VGG16", "conv5_1"), ("VGG16", "conv4_1"), ("VGG19", "conv3_4")],
)
def test_a_part_of_either_network_is_told_apart(tmp_path, write, network, depth):
    """VGG19 down to conv5_1 has 13 convolutions, as many as VGG16."""
    tensors = native_tensors(depth=depth, network=network)
    write(tmp_path / "a", tensors)
    assert import_file(tmp_path / "a").weights.layer_names == tuple(tensors)


@pytest.mark.parametrize("prefix", ["d01eb7cb", "00b39a1b"])
def test_files_of_which_eight_digits_are_published(tmp_path, monkeypatch, prefix):
    from nst.models import importers

    write_npz(tmp_path / "a", native_tensors())
    monkeypatch.setattr(importers, "file_digest", lambda path, algorithm: prefix + 56 * "0")
    imported = import_file(tmp_path / "a")
    assert (imported.convention, imported.certain) == ("caffe", True)


def test_our_own_file_comes_back_bit_for_bit(tmp_path):
    network = NetworkWeights("own", native_tensors(), scale=255.0, mean=(3.0, 2.0, 1.0), std=(1.0, 2.0, 3.0))
    save_weights(network, tmp_path / "a.pth")
    imported = import_file(tmp_path / "a.pth")
    assert imported.convention == "stored"
    assert imported.weights.sha256 == network.sha256


def test_the_convention_can_be_told(tmp_path):
    write_npz(tmp_path / "a", native_tensors())
    imported = import_file(tmp_path / "a", convention="torchvision")
    assert imported.certain
    assert imported.weights.std == (0.229, 0.224, 0.225)
    with pytest.raises(WeightsError, match="unknown convention 'rgb'"):
        import_file(tmp_path / "a", convention="rgb")


def test_a_file_that_ends_earlier_is_a_shallower_network(tmp_path):
    write_npz(tmp_path / "a", native_tensors(depth="conv4_2"))
    assert import_file(tmp_path / "a").weights.layer_names[-1] == "conv4_2"


def drop(tensors, layer):
    del tensors[layer]


def widen(tensors, layer):
    weight, bias = tensors[layer]
    tensors[layer] = (np.concatenate([weight, weight], axis=1), bias)


def poison(tensors, layer):
    tensors[layer][0][0, 0, 0, 0] = np.nan


def shorten_bias(tensors, layer):
    weight, bias = tensors[layer]
    tensors[layer] = (weight, bias[:-1])


def five_by_five(tensors, layer):
    weight, bias = tensors[layer]
    tensors[layer] = (np.zeros((*weight.shape[:2], 5, 5), np.float32), bias)


def integers(tensors, layer):
    weight, bias = tensors[layer]
    tensors[layer] = (weight.astype(np.int64), bias)


@pytest.mark.parametrize("spoil", [drop, widen, poison, shorten_bias, five_by_five, integers])
@pytest.mark.parametrize("layer", ["conv1_1", "conv3_3"])
def test_a_fault_is_one_line_that_names_file_and_layer(tmp_path, spoil, layer):
    tensors = native_tensors()
    spoil(tensors, layer)
    path = tmp_path / "weights.npz"
    write_npz(path, tensors)
    with pytest.raises(WeightsError) as caught:
        import_file(path)
    message = str(caught.value)
    assert layer in message
    assert "weights" in message
    assert "\n" not in message


@pytest.mark.parametrize("write", [case[0] for case in CASES])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, write, kept):
    whole = tmp_path / "whole"
    write(whole, native_tensors())
    data = whole.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(WeightsError) as caught:
        import_file(cut)
    assert str(cut) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_networks_are_named(tmp_path):
    """VGG16 with batch normalisation, VGG13, and a VGG19 of which conv3_4 got lost."""
    batch = {f"features.{i}.weight": np.ones(1, np.float32) for i in (0, 1, 3, 4, 7, 8, 10, 11)}
    np.savez(tmp_path / "a.npz", **batch)
    with pytest.raises(WeightsError, match=r"features\.1\.weight has no place .*batch normalisation"):
        import_file(tmp_path / "a.npz")
    thirteen = {
        f"features.{i}.{part}": np.ones((1, 1, 3, 3), np.float32)
        for i in (0, 2, 5, 7, 10, 12, 15, 17, 20, 22)
        for part in ("weight", "bias")
    }
    np.savez(tmp_path / "b.npz", **thirteen)
    with pytest.raises(WeightsError, match=r"features\.15\.weight has no place"):
        import_file(tmp_path / "b.npz")
    write_npz(tmp_path / "c", {k: v for k, v in native_tensors().items() if k != "conv3_4"})
    with pytest.raises(WeightsError, match=r"conv3_4\.weight is missing"):
        import_file(tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty or of an unknown format"),
        (b"<!DOCTYPE html><html>404", "web page"),
        (b"\xff\xd8\xff\xe0 a photograph", "unknown format"),
        (b"PK\x03\x04 no archive", "damaged or truncated archive"),
        (b"MATLAB 7.3 MAT-file", "-v7"),
    ],
)
def test_other_files_are_refused_with_a_reason(tmp_path, content, message):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        import_file(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="No such file"):
        import_file(tmp_path / "b.pth")


def test_an_npz_that_lies_about_its_size_is_not_believed(tmp_path):
    import io
    import zipfile

    header = io.BytesIO()
    shape = (2048, 2048, 3, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("conv1_1.weight.npy", header.getvalue() + bytes(64))
        archive.writestr("conv1_1.bias.npy", header.getvalue())
    with pytest.raises(WeightsError, match="truncated"):
        import_file(tmp_path / "a.npz")


def test_a_pickled_member_of_an_npz_is_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", **{"conv1_1.weight": np.array([{}], object), "conv1_1.bias": np.ones(1)})
    with pytest.raises(WeightsError, match="object"):
        import_file(tmp_path / "a.npz")


def test_a_dataset_in_another_file_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    write_keras2(tmp_path / "a.h5", native_tensors())
    with h5py.File(tmp_path / "a.h5", "a") as file:
        group = file["model_weights/block1_conv1/block1_conv1"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (3, 3, 3, 4), "f4", external=[("/etc/passwd", 0, 432)])
    with pytest.raises(WeightsError, match="another file"):
        import_file(tmp_path / "a.h5")


def write_bfloat16(path, tensors, kind="BF16"):
    """By the format's own description: the length of a header in JSON, the header, the numbers."""
    header, data = {}, b""
    for name, array in torchvision_state(tensors).items():
        upper = (np.ascontiguousarray(array).view(np.uint32) >> 16).astype("<u2").tobytes()
        upper = upper if kind == "BF16" else upper[::2]
        header[name] = {
            "dtype": kind,
            "shape": array.shape,
            "data_offsets": [len(data), len(data) + len(upper)],
        }
        data += upper
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_safetensors_in_bfloat16(tmp_path):
    tensors = native_tensors()
    write_bfloat16(tmp_path / "half.safetensors", tensors)
    found = import_file(tmp_path / "half.safetensors").weights.convolutions
    for layer, pair in tensors.items():
        for array, exact in zip(found[layer], pair, strict=True):
            np.testing.assert_array_equal(array.view(np.uint32), exact.view(np.uint32) & 0xFFFF0000)


def test_numbers_of_8_bits_are_named(tmp_path):
    write_bfloat16(tmp_path / "f8.safetensors", native_tensors(), "F8_E4M3")
    with pytest.raises(
        WeightsError, match=r"conv1_1.weight is F8_E4M3, expected floating point of 16 to 64 bits"
    ):
        import_file(tmp_path / "f8.safetensors")
    torch = pytest.importorskip("torch")
    torch.save({"features.0.weight": torch.zeros(2, 3, 3, 3).to(torch.float8_e4m3fn)}, tmp_path / "f8.pth")
    with pytest.raises(WeightsError, match="8-bit floats"):
        import_file(tmp_path / "f8.pth")


PREFIXES = {
    "vgg": lambda position: f"vgg.{position}",
    "slices": lambda position: f"slice{1 + position // 7}.{position}",
    "slices of a part": lambda position: f"net.slice{1 + position // 7}.{position}",
    "compiled and in parallel": lambda position: f"module._orig_mod.{position}",
    "features": lambda position: f"loss.vgg.features.{position}",
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("wrappers", [(), ("model_state_dict",), ("checkpoint", "ema")])
def test_wrappers_and_prefixes(tmp_path, prefix, wrappers):
    torch = pytest.importorskip("torch")
    tensors = native_tensors()
    state = {
        "decoder.1.weight": torch.zeros(8, 8, 3, 3),
        "head.0.weight": torch.zeros(4, 4),
    }
    for position, (weight, bias) in zip(FEATURES, tensors.values(), strict=True):
        name = PREFIXES[prefix](position)
        state |= {f"{name}.weight": torch.from_numpy(weight), f"{name}.bias": torch.from_numpy(bias)}
    for wrapper in reversed(wrappers):
        state = {"epoch": 3, "optimizer": {"state": {"step": torch.zeros(1)}}, wrapper: state}
    torch.save(state, tmp_path / "wrapped.pth")
    found = import_file(tmp_path / "wrapped.pth").weights.convolutions
    assert list(found) == list(tensors)
    for layer, pair in tensors.items():
        for array, exact in zip(found[layer], pair, strict=True):
            np.testing.assert_array_equal(array, exact)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    for name, read, error in (("x.pth", import_file, WeightsError), ("x.png", read_picture, ImageError)):
        (tmp_path / name).write_text(pointer)
        with pytest.raises(error, match="git lfs pull"):
            read(tmp_path / name)
