"""Small files that ask for a lot: each is refused in one line, at once, before anything of that size is read."""

import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from nst.errors import WeightsError
from nst.models import limits
from nst.models.importers import import_file, machine
from nst.models.importers.matlab import read_matfile
from nst.models.importers.pickle import LEGACY_MAGIC

SECONDS, BYTES = 3.0, 150e6  # of the slowest and the largest below, on a busy machine


def refused(path, match):
    """The one line with which the file is refused; it took neither long nor much."""
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(WeightsError, match=match) as caught:
            import_file(path)
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < SECONDS
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


NESTED = b"(" + b"K\x01K\x02" + b"t" + b"".join(b"2\x86" for _ in range(60))
"""((1, 2), (1, 2)), sixty times over: 122 bytes, 2^60 tuples to whoever hashes or prints them."""
STORAGE = b"ctorch\nFloatStorage\n"
BOMBS = {
    "as a key": (b"\x80\x02}" + NESTED + b"K\x01s.", "neither text nor numbers"),
    "as a key of many": (b"\x80\x02}(" + NESTED + b"K\x01u.", "neither text nor numbers"),
    "in the items of a dictionary": (
        b"\x80\x02ccollections\nOrderedDict\n(]" + NESTED + b"K\x01\x86a" + b"tR.",
        "neither text nor numbers",
    ),
    "as the name of a storage": (
        b"\x80\x02(X\x07\x00\x00\x00storage" + STORAGE + NESTED + b"NK\x01NtQ.",
        "a storage without a name",
    ),
    "as an external object": (b"\x80\x02" + NESTED + b"Q.", "an unknown kind of external object"),
    "as a shape": (
        b"\x80\x02ctorch._utils\n_rebuild_tensor\n((X\x07\x00\x00\x00storage"
        + STORAGE
        + b"K\x01NK\x01NtQK\x00"
        + NESTED
        + NESTED
        + b"tR.",
        "without a proper shape",
    ),
    "as a function": (b"\x80\x02" + NESTED + b")R.", "a call of what is no function"),
    "nested deeply": (b"\x80\x02})" + b"\x85" * 29_000 + b"Ns.", "neither text nor numbers"),
    "many instructions": (b"\x80\x02" + b"N0" * 500_000 + b".", "absurd number of instructions"),
    "a long number": (b"\x80\x02L" + b"7" * 500_000 + b"L\n.", "absurd number|damaged"),
    "a long text": (b"\x80\x02X\x00\x00\x0a\x00" + b"a" * 655_360 + b".", "absurd number"),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("kind", ["legacy", "zip"])
def test_a_pickle_that_nests_by_reference(tmp_path, bomb, kind):
    body, match = BOMBS[bomb]
    path = tmp_path / "a.pth"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", body)
    else:
        magic = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little") + b"."
        path.write_bytes(magic + b"\x80\x02M\xe9\x03." + b"\x80\x02}." + body)
    refused(path, match)


def test_the_machine_gives_what_pickle_gives():
    """Protocols 0 to 4, with every instruction that a plain object needs."""
    import pickle

    value = {"a": [1, 2.5, None, True, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "b": {"c": -300, "d": 1 << 70}}
    value["again"] = value["a"]

    def refuse(*arguments):
        raise AssertionError(arguments)

    for protocol in range(5):
        stream = io.BytesIO(pickle.dumps(value, protocol) + b"rest")
        assert machine.run(stream, refuse, refuse, refuse) == value
        assert stream.read() == b"rest"


@pytest.mark.slow
def test_a_byte_order_record_is_two_words_and_no_more(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/byteorder", bytes(200_000_000))
    refused(tmp_path / "a.pth", "byte order is neither")


def zeros_npz(path, shape, length):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    piece = bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("conv1_1.weight.npy", "conv1_1.bias.npy"):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(header.getvalue())
                for _ in range(length >> 20):
                    file.write(piece)


@pytest.mark.parametrize(
    ("shape", "size", "match"),
    [
        pytest.param((2048, 2048, 3, 3), 302 << 20, "more than any VGG19", marks=pytest.mark.slow),
        ((4096, 16), 1 << 20, "4096, 16"),
        ((2, 2, 2, 2, 2), 1 << 20, "at most 4 axes"),
    ],
)
def test_an_npz_that_unpacks_to_a_lot(tmp_path, shape, size, match):
    zeros_npz(tmp_path / "a.npz", shape, size)
    refused(tmp_path / "a.npz", match)


@pytest.mark.slow
def test_a_header_of_an_npz_that_unpacks_to_a_lot(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(
            "conv1_1.weight.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 200 << 20) + bytes(200 << 20)
        )
    refused(tmp_path / "a.npz", "damaged")


def test_an_archive_of_very_many_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for number in range(6000):
            archive.writestr(f"{number}.npy", b"")
    refused(tmp_path / "a.npz", "table of contents is too large")


@pytest.mark.slow
def test_an_h5_that_declares_a_lot(tmp_path):
    h5py = pytest.importorskip("h5py")
    for number, (shape, options) in enumerate(
        [
            ((3, 3, 2048, 2048), {}),  # nothing of it is stored
            ((30000, 30000), {}),
            ((3, 3, 2048, 2048), {"chunks": (3, 3, 2048, 2048), "compression": "gzip"}),
        ]
    ):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("block1_conv1/kernel:0", shape, "f8", fillvalue=0, **options)
            file.create_dataset("block1_conv1/bias:0", (2048,), "f8")
        refused(path, "more than any VGG19|at most 4 axes")
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file.create_dataset("block1_conv1/kernel:0", (3, 3, 3, 4), "S100000000")
        file.create_dataset("block1_conv1/bias:0", (4,), "f4")
    refused(tmp_path / "wide.h5", "expected floating point")
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for number in range(11_000):
            file.create_group(str(number))
    refused(tmp_path / "many.h5", "groups and datasets")


def test_a_safetensors_file_with_a_very_long_table_of_contents(tmp_path):
    from nst.models.weights import load_weights

    entries = ",".join(f'"{n}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for n in range(30_000))
    header = ("{" + entries + "}").encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(path, "table of contents")
    with pytest.raises(WeightsError, match="table of contents"):
        load_weights(path)


def test_a_file_larger_than_any_network_is_not_even_hashed(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(50_000_000_000)  # a hole, which takes no space
    refused(path, "50.0 GB")


def varint(number):
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


@pytest.mark.slow
@pytest.mark.parametrize("inner", [b"\x0a\x00", b"\x2a\x00", b"\x0a\x02\x0a\x00"])
def test_an_onnx_model_of_very_many_empty_messages(tmp_path, inner):
    graph = inner * 500_000
    (tmp_path / "a.onnx").write_bytes(b"\x08\x08\x3a" + varint(len(graph)) + graph)
    refused(tmp_path / "a.onnx", "are no VGG")


# MAT-files, by hand from the format's description


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(klass, shape, name, *parts):
    head = element(6, struct.pack("<II", klass, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + element(1, name) + b"".join(parts))


def mat(*elements):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def compressed(data):
    packed = zlib.compress(data, 1)
    return struct.pack("<II", 15, len(packed)) + packed


@pytest.mark.parametrize("pack", [bytes, compressed])
def test_a_matrix_by_hand(tmp_path, pack):
    """Column by column; whole numbers in fewer bytes than their class; a text; what is not wanted passed over."""
    numbers = matrix(6, (2, 3), b"", element(2, bytes([1, 2, 3, 4, 5, 6])))
    text = matrix(4, (1, 2), b"", element(4, "hé".encode("utf-16-le")))
    large = matrix(7, (1, 4096), b"", element(7, bytes(4 * 4096)))
    names = b"a\0\0\0b\0\0\0c\0\0\0d\0\0\0"
    fields = [element(5, struct.pack("<i", 4)), element(1, names), numbers, text, numbers, large]
    cell = matrix(1, (1, 2), b"layers", matrix(2, (1, 1), b"", *fields), numbers)
    other = matrix(6, (1, 1), b"other", element(9, struct.pack("<d", 3)))
    (tmp_path / "a.mat").write_bytes(mat(pack(other), pack(cell), pack(other)))
    found = read_matfile(tmp_path / "a.mat", ["layers"], ["a", "b", "d"])
    assert list(found) == ["layers"]
    (structure,), array = found["layers"]
    assert set(structure) == {"a", "b"}
    assert structure["b"] == "hé"
    for values in (structure["a"], array):
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, [[1, 3, 5], [2, 4, 6]])


@pytest.mark.parametrize("appendix", ["compressed", "plain", "big-endian dims"])
def test_scipy_reads_the_same(tmp_path, appendix):
    """Every class of numbers, empty arrays, nested cells and structures, in another library's files."""
    io_ = pytest.importorskip("scipy.io")
    rng = np.random.default_rng(1)
    kinds = ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
    cell = np.empty((2, 2), object)
    cell[:] = [[rng.normal(size=(3, 4)), "text"], [np.zeros((0, 0)), np.float32(rng.normal(size=(2, 2, 2)))]]
    arrays = {kind: rng.integers(0, 100, (2, 3, 4)).astype(kind) for kind in kinds}
    path = tmp_path / "a.mat"
    io_.savemat(path, {**arrays, "cell": cell, "s": {"x": 3.5, "y": "words", "z": cell}},
                do_compression=appendix == "compressed")  # fmt: skip
    ours = read_matfile(path, [*kinds, "cell", "s"], ["x", "y", "z"])
    theirs = io_.loadmat(path, chars_as_strings=True)
    for kind in kinds:
        assert ours[kind].dtype == theirs[kind].dtype
        np.testing.assert_array_equal(ours[kind], theirs[kind])
    flat = theirs["cell"].ravel(order="F")
    for mine in (ours["cell"], ours["s"][0]["z"]):
        np.testing.assert_array_equal(mine[0], flat[0])
        np.testing.assert_array_equal(mine[3], flat[3])
        assert mine[1] is None or mine[1].size == 0
        assert mine[2] == str(flat[2][0])
    assert ours["s"][0]["x"].item() == 3.5
    assert ours["s"][0]["y"] == "words"


DEEP = matrix(6, (1, 1), b"", element(9, bytes(8)))
for _ in range(12):
    DEEP = matrix(1, (1, 1), b"layers", DEEP)
WHOLE = matrix(7, (1, 4), b"layers", element(7, bytes(16)))
# made when they are wanted: two of them are large before they are packed
MATS = {
    "a bomb": (lambda: compressed(matrix(7, (1, 1), b"other", bytes(400_000_000))), "no variable 'layers'"),
    "a bomb that is wanted": (lambda: compressed(matrix(7, (4096, 1), b"layers", bytes(400_000_000))), "absurdly much"),
    "a shape without bytes": (
        lambda: matrix(7, (2048, 2048, 8), b"layers", element(7, bytes(64))),
        "does not have|than any",
    ),
    "bytes that are not there": (
        lambda: matrix(7, (2000, 2000), b"layers", struct.pack("<II", 7, 16_000_000)),
        "truncated",
    ),
    "a cell of very many": (lambda: matrix(1, (30_000, 30_000), b"layers"), "no network"),
    "cells in cells": (lambda: DEEP, "nested"),
    "a very long name": (lambda: matrix(7, (1, 1), bytes(100_000), element(7, bytes(4))), "100000"),
    "a negative shape": (lambda: matrix(7, (-1, 2), b"layers", element(7, bytes(64))), "proper shape"),
    "a matrix that ends early": (lambda: struct.pack("<II", 14, 16) + WHOLE[8:], "than it says|truncated"),
    "a wrong sum": (lambda: compressed(matrix(7, (1, 2), b"layers", element(7, bytes(8))))[:-1] + b"x", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize(
    "bad", [pytest.param(bad, marks=pytest.mark.slow) if "a bomb" in bad else bad for bad in MATS]
)
def test_a_bad_mat_file(tmp_path, bad):
    make, match = MATS[bad]
    (tmp_path / "a.mat").write_bytes(mat(make()))
    refused(tmp_path / "a.mat", match)


@pytest.mark.parametrize("name", ["1816-old", "1895-old", "1986-new", "2562-old"])
def test_what_ended_the_process_once(name):
    """Mutants over which another library's reader crashed (segmentation fault, bus error)."""
    refused(Path(__file__).parents[1] / "data" / f"matconvnet-{name}.mat", "MatConvNet")


@pytest.mark.slow
def test_a_classifier_is_never_in_memory(tmp_path):
    """Four thousand columns: passed over, in a file that is compressed as MATLAB's are."""
    rng, layers = np.random.default_rng(1), []
    for name, shape in (("conv1_1", (3, 3, 3, 4)), ("fc6", (3, 3, 64, 4096)), ("fc8", (1, 1, 4096, 1000))):
        numbers = [rng.normal(size=size).astype("<f4") for size in (shape, (1, shape[-1]))]
        weight, bias = (matrix(7, a.shape, b"", element(7, a.tobytes("F"))) for a in numbers)
        parts = [element(5, struct.pack("<i", 8)), element(1, b"name\0\0\0\0filters\0biases\0\0"),
                 matrix(4, (1, len(name)), b"", element(16, name.encode())), weight, bias]  # fmt: skip
        layers.append(matrix(2, (1, 1), b"", *parts))
    (tmp_path / "a.mat").write_bytes(mat(compressed(matrix(1, (1, 3), b"layers", *layers))))
    tracemalloc.start()
    weights = import_file(tmp_path / "a.mat").weights
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6  # fc6 alone is 9 MB
    assert weights.channels("conv1_1") == 4
    expected = np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(weights.convolutions["conv1_1"][0], expected.transpose(3, 2, 0, 1))


def test_the_bounds_leave_room_for_vgg19():
    """64, 128, 256, 512, 512 channels a block: 20 million numbers, 80 MB; the classifier has six times as much."""
    blocks = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)]
    before, numbers = 3, 0
    for count, channels in blocks:
        for _ in range(count):
            numbers += 9 * before * channels + channels
            before = channels
    assert numbers == 20_024_384
    assert numbers * 1.6 < limits.MAX_NUMBERS < 2 * numbers
    assert limits.MAX_FILE > 2 * 574_673_361
