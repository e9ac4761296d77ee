"""Weights of 256 values: the file form, the clustering, `nst weights compress`."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import numpy as safetensors_numpy
from safetensors import safe_open

from nst.cli.commands.weights import weights as command
from nst.errors import WeightsError
from nst.models.clustered import cluster, compress, largest_change
from nst.models.forward import activations
from nst.models.random import probe, random_weights
from nst.models.store import cache
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights, join, load_weights, save_weights, split


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NST_OFFLINE", "1")
    return tmp_path / "home" / "weights"


def tensors(**changed):
    """conv1_1 of two channels: index, table, bias; None takes one away."""
    index = np.arange(54, dtype=np.uint8).reshape(2, 3, 3, 3) % 5
    table = np.array([-2, -1, 0, 0.5, 3], np.float32)
    given = {
        "conv1_1.weight.index": index,
        "conv1_1.weight.table": table,
        "conv1_1.bias": np.array([0.25, -0.5], np.float32),
    }
    given |= {f"conv1_1.{name}": array for name, array in changed.items()}
    return {name: array for name, array in given.items() if array is not None}


def write(path, arrays):
    path.write_bytes(safetensors_numpy.save(arrays, {"channel_order": "RGB"}))
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_weights_are_the_table_s_values_at_the_indices(tmp_path, dtype):
    arrays = tensors()
    arrays["conv1_1.weight.table"] = arrays["conv1_1.weight.table"].astype(dtype)
    weight, bias = load_weights(write(tmp_path / "a.safetensors", arrays)).convolutions["conv1_1"]
    values = [-2, -1, 0, 0.5, 3]
    expected = [values[number % 5] for number in range(54)]
    assert weight.dtype == np.float32
    assert weight.reshape(-1).tolist() == expected
    assert bias.tolist() == [0.25, -0.5]


INDEX = tensors()["conv1_1.weight.index"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight.index": INDEX.astype(np.int64)}, "conv1_1.weight.index is int64, expected uint8"),
        ({"weight.table": np.zeros(5, np.int32)}, "conv1_1.weight.table is int32, expected float32"),
        ({"weight.table": np.zeros(257, np.float32)}, r"table has shape \(257,\), expected 1 to 256 values"),
        ({"weight.table": np.zeros(0, np.float32)}, r"table has shape \(0,\), expected 1 to 256 values"),
        ({"weight.table": np.zeros((5, 1), np.float32)}, r"table has shape \(5, 1\)"),
        ({"weight.table": np.zeros(4, np.float32)}, "index 4 lies outside the table of 4 values"),
        ({"weight.table": np.full(5, np.nan, np.float32)}, "conv1_1.weight holds NaN or infinity"),
        ({"weight.table": None}, "conv1_1.weight has only one of index and table"),
        ({"weight.index": None}, "conv1_1.weight has only one of index and table"),
        ({"weight": np.zeros((2, 3, 3, 3), np.float32)}, "conv1_1.weight is there both"),
        ({"weight.index": INDEX[:, :2]}, r"conv1_1.weight has shape \(2, 2, 3, 3\)"),
        ({"bias": None}, "conv1_1 has only one of weight and bias"),
    ],
)
def test_a_damaged_file_names_the_layer_in_one_line(tmp_path, changed, message):
    path = write(tmp_path / "a.safetensors", tensors(**changed))
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


def test_a_network_of_few_values_comes_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    values = np.array([0.0, -0.0, 1e-30, -3, *rng.normal(size=252)], np.float32)
    weight = rng.permutation(np.resize(values, 64 * 27)).reshape(64, 3, 3, 3)
    bias = rng.normal(size=64).astype(np.float32)
    network = NetworkWeights("few", {"conv1_1": (weight, bias)}, 255.0, (1.0, 2.0, 3.0))
    save_weights(network, tmp_path / "few.safetensors", "clustered")
    with safe_open(tmp_path / "few.safetensors", framework="numpy") as file:
        assert file.get_slice("conv1_1.weight.index").get_dtype() == "U8"
        assert file.get_slice("conv1_1.weight.table").get_shape() == [256]
        assert "conv1_1.weight" not in file.keys()  # noqa: SIM118
    found = load_weights(tmp_path / "few.safetensors")
    assert (found.scale, found.mean) == (255.0, (1.0, 2.0, 3.0))
    assert found.sha256 == network.sha256
    assert found.convolutions["conv1_1"][0].tobytes() == weight.tobytes()  # the sign of 0 too


def test_more_than_256_values_are_refused(tmp_path):
    network = random_weights(0, 1 / 4, "conv1_2")
    with pytest.raises(WeightsError, match=r"conv1_1\.weight has 432 different values, at most 256"):
        save_weights(network, tmp_path / "a.safetensors", "clustered")
    assert list(tmp_path.iterdir()) == []


def test_split_and_join_are_inverse():
    weight = np.random.default_rng(1).integers(-9, 9, (16, 8, 3, 3)).astype(np.float32)
    index, table = split(weight)
    assert sorted(table.tolist()) == list(range(-9, 9))
    assert np.array_equal(join(index, table), weight)


def test_clusters_are_those_of_a_mixture():
    """256 lumps of width 1e-6, one a unit: each number moves to the mean of its lump."""
    rng = np.random.default_rng(2)
    lump = rng.integers(0, 256, 20_000)
    numbers = (lump + rng.uniform(-5e-4, 5e-4, lump.size)).astype(np.float32)
    found = cluster(numbers.reshape(2, -1)).reshape(-1)
    means = np.array([numbers[lump == k].astype(np.float64).mean() for k in range(256)])
    np.testing.assert_allclose(found, means[lump], atol=2e-5)
    assert len(np.unique(found)) == 256


def test_clustering_a_normal_distribution_is_as_good_as_theory_says():
    """Panter and Dite: the least mean square error of n values is (integral of p^1/3)^3 / 12 n^2, for a normal density
    sqrt(3) pi / 2 / n^2."""
    numbers = np.random.default_rng(3).standard_normal(400_000).astype(np.float32)
    found = cluster(numbers)
    error = np.mean(np.square(found - numbers, dtype=np.float64))
    least = np.sqrt(3) * np.pi / 2 / 256**2
    assert 0.9 * least < error < 1.1 * least
    assert np.array_equal(cluster(numbers), found)
    table = np.unique(found)
    nearest = np.abs(numbers[:500, None] - table[None]).min(axis=1)
    np.testing.assert_allclose(np.abs(numbers[:500] - found[:500]), nearest, atol=1e-6)


def test_what_has_few_values_stays():
    weight = np.random.default_rng(4).integers(0, 200, (8, 8, 3, 3)).astype(np.float32)
    assert np.array_equal(cluster(weight), weight)


def test_compressing_changes_weights_a_little_and_biases_not_at_all():
    network = random_weights(0, 1 / 4, "conv3_1")
    seen = []
    small = compress(network, "small", seen.append)
    assert [one.layer for one in seen] == list(network.layer_names)
    for one in seen:
        weight, bias = network.convolutions[one.layer]
        nearest, same = small.convolutions[one.layer]
        assert np.array_equal(bias, same)
        assert len(np.unique(nearest)) == one.values <= 256
        change = np.linalg.norm((nearest - weight).ravel()) / np.linalg.norm(weight.ravel())
        assert one.error == pytest.approx(change, rel=1e-4)
        assert 0 < change < 0.03  # 0.0064 for a normal density; here each channel has its own scale
    layer, change = largest_change(network, small)
    before, after = (dict(activations(one, probe().transpose(1, 2, 0))) for one in (network, small))
    worst = {name: np.abs(after[name] - maps).max() / maps.max() for name, maps in before.items()}
    assert change == pytest.approx(worst[layer], rel=1e-6)
    assert change == pytest.approx(max(worst.values()), rel=1e-6)
    assert 0 < change < 0.2
    assert small.name == "small"
    assert small.license.endswith("weights clustered to 256 values by nst")


@pytest.mark.slow
def test_the_command_keeps_a_quarter_under_a_new_name(home, tmp_path):
    network = random_weights(0, 1 / 4)
    save_weights(network, tmp_path / "mine.safetensors")
    result = CliRunner().invoke(command, ["compress", str(tmp_path / "mine.safetensors")])
    assert result.exit_code == 0, result.exception
    assert result.stdout.strip() == str(home / "mine-clustered.safetensors")
    lines = result.stderr.splitlines()
    assert lines[2].startswith("conv2_1: 256 values, weights change by")
    sizes = re.fullmatch(r"(\S+) MB in float32, (\S+) MB now; features .* at most (\S+)% .*", lines[-1])
    before, after, _ = map(float, sizes.groups())
    assert after < 0.28 * before
    found = resolve_weights("mine-clustered")
    assert found.sha256 == compress(network, "x").sha256
    again = CliRunner().invoke(command, ["compress", str(tmp_path / "mine.safetensors")])
    assert "--force" in str(again.exception)
    for name, message in (("vgg19", "a name of the catalogue"), ("auto", "cannot name a network")):
        refused = CliRunner().invoke(command, ["compress", "mine-clustered", "--name", name])
        assert message in str(refused.exception)
    out = tmp_path / "out.safetensors"
    written = CliRunner().invoke(command, ["compress", "mine-clustered", "-o", str(out)])
    assert written.stdout.strip() == str(out)
    assert load_weights(out).sha256 == found.sha256
    assert cache.cached_names() == ["mine-clustered"]
    lost = CliRunner().invoke(command, ["compress", "mine-clustered", "-o", str(tmp_path / "no" / "a")])
    assert "not found" in str(lost.exception)
