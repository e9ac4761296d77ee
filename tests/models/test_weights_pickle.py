"""The restricted unpickler: hand-assembled files, without PyTorch, good ones and bad ones."""

import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from nst.errors import WeightsError
from nst.models.importers import import_file
from nst.models.importers.pickle import LEGACY_MAGIC, read_legacy, read_zip

WEIGHT = np.arange(2 * 3 * 3 * 3, dtype=np.float32).reshape(2, 3, 3, 3)
BIAS = np.array([0.5, -1.5], np.float32)


def literal(value):
    """The instructions that push a constant: a pickle without its frame."""
    return pickle.dumps(value, 2)[2:-1]


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def call(function, *arguments):
    return function + b"(" + b"".join(arguments) + b"tR"


def storage(key, elements, kind="FloatStorage", legacy=True):
    tail = literal(None) if legacy else b""
    words = literal("storage") + name("torch", kind) + literal(key) + literal("cpu") + literal(elements)
    return b"(" + words + tail + b"tQ"


def tensor(key, array, function="_rebuild_tensor_v2", legacy=True, **changed):
    elements = changed.get("elements", array.size)
    size = changed.get("size", array.shape)
    stride = changed.get("stride", tuple(s // array.itemsize for s in array.strides))
    kind = changed.get("kind", "FloatStorage")
    arguments = [
        storage(key, elements, kind, legacy),
        literal(changed.get("offset", 0)),
        literal(size),
        literal(stride),
    ]
    if function == "_rebuild_tensor_v2":
        arguments += [literal(False), call(name("collections", "OrderedDict"))]
    return call(name("torch._utils", function), *arguments)


def dictionary(**values):
    items = b"".join(literal(key) + value for key, value in values.items())
    return b"\x80\x02" + call(name("collections", "OrderedDict")) + b"(" + items + b"u."


def legacy_file(path, body, arrays):
    data = [
        pickle.dumps(LEGACY_MAGIC, 2),
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True}, 2),
        body,
    ]
    data.append(pickle.dumps(list(arrays), 2))
    for array in arrays.values():
        data += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(data))
    return path


def zip_file(path, body, arrays, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", body)
        for key, array in arrays.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


ARRAYS = {"7": WEIGHT, "8": BIAS}


def good_body(legacy=True, function="_rebuild_tensor_v2"):
    weight, bias = (tensor(k, a, function, legacy) for k, a in ARRAYS.items())
    return dictionary(**{"conv1_1.weight": weight, "conv1_1.bias": bias})


@pytest.mark.parametrize("function", ["_rebuild_tensor", "_rebuild_tensor_v2"])
def test_both_formats_give_the_tensors(tmp_path, function):
    for tensors in (
        read_legacy(legacy_file(tmp_path / "a", good_body(True, function), ARRAYS)),
        read_zip(zip_file(tmp_path / "b", good_body(False, function), ARRAYS)),
    ):
        np.testing.assert_array_equal(tensors["conv1_1.weight"].read(), WEIGHT)
        np.testing.assert_array_equal(tensors["conv1_1.bias"].read(), BIAS)


def test_parameters_of_2017_are_tensors_too(tmp_path):
    state = literal((True, False)) + b"b"  # what Parameter.__setstate__ got
    old = call(name("torch.nn.parameter", "Parameter"), tensor("7", WEIGHT, "_rebuild_tensor")) + state
    new = call(name("torch._utils", "_rebuild_parameter"), tensor("8", BIAS), literal(True), literal(None))
    wrapped = b"\x80\x02}" + literal("state_dict") + dictionary(w=old, b=new)[2:-1] + b"s."
    tensors = read_legacy(legacy_file(tmp_path / "a", wrapped, ARRAYS))
    np.testing.assert_array_equal(tensors["w"].read(), WEIGHT)
    np.testing.assert_array_equal(tensors["b"].read(), BIAS)


def test_offsets_strides_and_half_precision(tmp_path):
    flat = np.arange(12, dtype=np.float32)
    body = dictionary(
        transposed=tensor("0", flat, size=(3, 2), stride=(1, 3), offset=2),
        half=tensor("1", flat[:4], kind="HalfStorage"),
        brain=tensor("2", flat[:2], kind="BFloat16Storage"),
    )
    brain = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    tensors = read_legacy(
        legacy_file(tmp_path / "a", body, {"0": flat, "1": np.float16([1, 2, 3, 4]), "2": brain})
    )
    np.testing.assert_array_equal(tensors["transposed"].read(), [[2, 5], [3, 6], [4, 7]])
    np.testing.assert_array_equal(tensors["half"].read(), [1, 2, 3, 4])
    np.testing.assert_array_equal(tensors["brain"].read(), [1.5, -2.0])


EVIL = {
    "os.system": call(name("os", "system"), literal("touch evil")),
    "posix.system": call(name("posix", "system"), literal("touch evil")),
    "builtins.eval": call(name("builtins", "eval"), literal("__import__('os').system('touch evil')")),
    "builtins.getattr": call(name("builtins", "getattr"), literal(""), literal("join")),
    "torch.load": call(name("torch", "load"), literal("evil")),
    "torch.FloatTensor": name("torch", "FloatTensor"),
    "torch.nn.modules.container.Sequential": call(name("torch.nn.modules.container", "Sequential")),
    "collections.OrderedDict.clear": literal("collections") + literal("OrderedDict.clear") + b"\x93",
    "numpy.core.multiarray._reconstruct": name("numpy.core.multiarray", "_reconstruct"),
    "INST": b"(" + literal("touch evil") + b"ios\nsystem\n",
    "OBJ": b"(" + name("collections", "OrderedDict") + b"o",
    "EXT1": b"\x82\x01",
    "absurd number": literal(1) + b"r\xff\xff\xff\x7f",
    "unknown kind of external": literal("anything") + b"Q",
}


@pytest.mark.parametrize("refused", EVIL)
@pytest.mark.parametrize("kind", ["legacy", "zip"])
def test_a_file_that_wants_to_run_something_is_refused_by_name(tmp_path, monkeypatch, refused, kind):
    ran = []
    monkeypatch.setattr(os, "system", lambda command: ran.append(command))
    monkeypatch.chdir(tmp_path)
    body = b"\x80\x02" + EVIL[refused] + b"0" + good_body(kind == "legacy")[2:]
    write = legacy_file if kind == "legacy" else zip_file
    with pytest.raises(WeightsError, match=refused) as caught:
        import_file(write(tmp_path / "a.pth", body, ARRAYS))
    assert "\n" not in str(caught.value)
    assert not ran
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


def test_evil_in_any_of_the_five_pickles_is_refused(tmp_path):
    evil = b"\x80\x02" + EVIL["os.system"] + b"."
    (tmp_path / "a").write_bytes(evil)
    with pytest.raises(WeightsError, match=r"os\.system"):
        import_file(tmp_path / "a")
    (tmp_path / "b").write_bytes(pickle.dumps(LEGACY_MAGIC, 2) + pickle.dumps(1001, 2) + evil)
    with pytest.raises(WeightsError, match=r"os\.system"):
        import_file(tmp_path / "b")


def test_state_cannot_be_set_on_what_a_file_can_reach(tmp_path):
    for target in (name("torch", "FloatStorage"), name("torch._utils", "_rebuild_tensor_v2")):
        body = b"\x80\x02" + target + literal((None, {"__call__": 1, "name": "x", "key": 2})) + b"b."
        with pytest.raises(WeightsError):
            import_file(legacy_file(tmp_path / "a", body, {}))


@pytest.mark.parametrize(
    "changed",
    [
        {"size": (2**40, 3, 3, 3)},
        {"size": (2, 3, 3, 3), "offset": 1},
        {"size": (2, 3, 3, 4)},
        {"size": (4096, 512, 3, 3), "stride": (0, 0, 0, 0)},
        {"size": (2, 3, 3, -3)},
        {"stride": (27, 9, 3)},
        {"offset": -1},
        {"elements": 2**50},
    ],
)
@pytest.mark.parametrize("kind", ["legacy", "zip"])
def test_sizes_that_do_not_fit_are_refused_before_anything_is_allocated(tmp_path, changed, kind):
    weight = tensor("7", WEIGHT, legacy=kind == "legacy", **changed)
    body = dictionary(
        **{"conv1_1.weight": weight, "conv1_1.bias": tensor("8", BIAS, legacy=kind == "legacy")}
    )
    write = legacy_file if kind == "legacy" else zip_file
    with pytest.raises(WeightsError) as caught:
        import_file(write(tmp_path / "a.pth", body, ARRAYS))
    assert "\n" not in str(caught.value)


def test_a_compressed_storage_is_refused(tmp_path):
    """PyTorch never compresses; a small file could unpack to any size."""
    with pytest.raises(WeightsError, match="storage 7"):
        import_file(zip_file(tmp_path / "a.pth", good_body(False), ARRAYS, zipfile.ZIP_DEFLATED))


def test_other_pickles_are_not_weights(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"a": 1}, 2))
    with pytest.raises(WeightsError, match=r"damaged|not one that PyTorch wrote"):
        import_file(tmp_path / "a.pth")
    body = b"\x80\x02" + literal([1, 2]) + b"."
    with pytest.raises(WeightsError, match=r"state_dict\(\)"):
        import_file(legacy_file(tmp_path / "b.pth", body, {}))
