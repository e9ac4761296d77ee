"""`nst weights ...` and `--weights`: names, files, what is printed where."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from nst.backends import autotune
from nst.cli.commands.weights import weights
from nst.errors import WeightsError
from nst.models.random import random_weights
from nst.models.store import cache
from nst.models.store.catalogue import CATALOGUE, Entry
from nst.models.store.resolve import obtain, resolve_weights
from nst.models.store.verify import verify_file
from nst.models.weights import save_weights
from nst.pictures.writing import read_settings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NST_OFFLINE", "1")
    return tmp_path / "home" / "weights"


@pytest.fixture
def foreign(tmp_path):
    """A file with Gatys' names: (path, tensors)."""
    tensors = random_weights(1, 1 / 16).convolutions
    members = {}
    for layer, (weight, bias) in tensors.items():
        members |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
    np.savez(tmp_path / "conv.npz", **members)
    return tmp_path / "conv.npz"


def run(*arguments, fails=None):
    result = CliRunner().invoke(weights, [str(argument) for argument in arguments])
    if fails:
        assert isinstance(result.exception, WeightsError)
        assert fails in str(result.exception)
        assert "\n" not in str(result.exception)
    elif result.exception:
        raise result.exception
    return result


def test_import_then_path_show_verify_list_and_use(foreign, home):
    result = run("import", foreign, "--name", "gatys")
    assert result.stdout.strip() == str(home / "gatys.safetensors")
    assert "caffe (assumed" in result.stderr
    assert [p.name for p in home.iterdir()] == ["gatys.safetensors"]
    assert run("path", "gatys").stdout.strip() == str(home / "gatys.safetensors")
    network = resolve_weights("gatys")
    assert network.name == "gatys"
    assert network.scale == 255.0
    shown = run("show", "gatys").stdout
    assert network.sha256 in shown
    assert "conv5_1    32 channels" in shown
    assert ["gatys", "here"] in [line.split()[:2] for line in run("list").stdout.splitlines()]
    assert run("verify").stdout.startswith("gatys: ok, safetensors, 16 layers to conv5_4")
    assert "same features as gatys" in run("verify", foreign).stdout


def test_import_refuses_names_that_mean_something_else(foreign, home):
    for name, message in (
        ("vgg19", "a name of the catalogue"),
        ("auto", "cannot name a network"),
        ("../up", "cannot name a network"),
        (".hidden", "cannot name a network"),
    ):
        run("import", foreign, "--name", name, fails=message)
    assert not home.exists()
    run("import", foreign, "--name", "mine")
    run("import", foreign, "--name", "mine", fails="--force")
    run("import", foreign, "--name", "mine", "--convention", "torchvision", "--force")
    assert resolve_weights("mine").scale == 1.0


def test_a_file_can_be_used_without_importing_it(foreign, tmp_path):
    lines = []
    assert resolve_weights(foreign, notify=lines.append).name == "conv"
    assert "assumed the caffe input convention" in lines[0]
    own = random_weights(2, 1 / 16)
    save_weights(own, tmp_path / "own.safetensors")
    assert resolve_weights(str(tmp_path / "own.safetensors"), notify=lines.append).sha256 == own.sha256
    assert len(lines) == 1


@pytest.mark.slow
def test_built_in_networks_and_unknown_names():
    assert resolve_weights("random", seed=3).name == "random-3"
    assert resolve_weights("embedded").layer_names[-1] == "conv5_1"
    with pytest.raises(WeightsError, match=r"no weights called 'vgg20' .*vgg19-torchvision"):
        resolve_weights("vgg20")
    with pytest.raises(WeightsError, match="not in the catalogue"):
        obtain("vgg20")


def test_a_damaged_network_in_the_cache_says_what_to_do(foreign, home):
    run("import", foreign, "--name", "mine")
    path = home / "mine.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="delete it, then download or import mine again"):
        resolve_weights("mine")
    result = run("verify", fails="mine.safetensors")
    assert "mine: FAILED" in result.stdout


def test_verify_counts_silent_channels_and_tells_networks_apart(tmp_path, foreign):
    run("import", foreign, "--name", "gatys")
    spoiled = dict(random_weights(1, 1 / 16).convolutions)
    spoiled["conv2_2"][1][:3] = -1e9
    members = {
        f"{k}.{p}": a for k, pair in spoiled.items() for p, a in zip(("weight", "bias"), pair, strict=True)
    }
    np.savez(tmp_path / "spoiled.npz", **members)
    found = verify_file(tmp_path / "spoiled.npz", "caffe")
    assert found.dead["conv2_2"] == 3
    assert "conv2_1" not in found.dead
    assert found.same_as == ""
    assert (found.published, found.assumed) == ("", False)


def test_the_normalised_network_is_made_from_the_cached_one(home):
    base = random_weights(0, 1 / 16, "conv2_1")
    cache.store(replace(base, name="vgg19"))
    lines = []
    network = obtain("vgg19-normalised", notify=lines.append)
    assert network.name == "vgg19-normalised"
    assert lines == ["making vgg19-normalised from vgg19: mean activation of every channel to 1"]
    assert sorted(p.name for p in home.glob("[!.]*")) == ["vgg19-normalised.safetensors", "vgg19.safetensors"]
    assert resolve_weights("vgg19-normalised").sha256 == network.sha256
    assert "normalised by nst" in network.source


@pytest.mark.slow
def test_auto_paints_with_the_trained_network_and_says_nothing(stylize, tmp_path):
    result = stylize("--weights", "auto", "--steps", 1, "--trace", "trace.json")
    assert (result.status, result.stderr) == (0, "")
    assert "weights vgg19-embedded" in result.stdout
    expected = {"name": "vgg19-embedded", "from": "auto", "sha256": resolve_weights("embedded").sha256}
    assert json.loads((tmp_path / "trace.json").read_text())["weights"] == expected
    assert read_settings("out.png")["weights"] == expected
    result = stylize("--weights", "auto", "--content-layers", "conv5_2")
    assert result.status == 2
    assert result.stderr.endswith("or the whole network: nst weights download vgg19\n")
    assert result.stderr.count("\n") == 1


NORMALISED = """
import sys, nst.models.embedded as embedded
from nst.models.random import random_weights
from nst.models.store.resolve import resolve_weights
embedded.load_embedded = lambda: random_weights(0, 1 / 16, "conv3_1")
network = resolve_weights("vgg19-embedded-normalised", notify=lambda line: print(line, file=sys.stderr))
print(network.sha256)
"""


@pytest.mark.slow
def test_a_network_is_made_once_for_all_processes_and_kept(home):
    name = "vgg19-embedded-normalised"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", NORMALISED], env=environment, **pipes) for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [errors.count(f"making {name} from") for _, errors in outputs].count(1) == 1
    first, second = (out for out, _ in outputs)
    assert first == second
    assert [p.name for p in home.glob("[!.]*")] == [f"{name}.safetensors"]
    assert resolve_weights(name).sha256 == first.strip()


def test_the_whitened_network_has_left_and_the_error_says_what_makes_it(home, root):
    with pytest.raises(WeightsError, match="no weights called 'whitened'") as raised:
        resolve_weights("whitened")
    assert "\n" not in str(raised.value)
    script = next(word for word in str(raised.value).split() if word.startswith("examples/"))
    assert (root / script).is_file()


def test_download_offline_fails_and_list_shows_the_catalogue():
    run("download", "vgg19", fails="the network is forbidden")
    listed = run("list").stdout
    for name, entry in CATALOGUE.items():
        assert name in listed
        assert entry.license in listed
    assert "CC BY 4.0; Karen Simonyan" in run("show", "vgg19").stdout
    (row,) = [line for line in listed.splitlines() if line.startswith("embedded")]
    for text in (row, run("show", "embedded").stdout):
        assert "CC BY 4.0" in text
        assert "Karen Simonyan and Andrew Zisserman" in text
    run("path", "vgg19", fails="nst weights download vgg19")


def test_the_published_facts_are_whole():
    for entry in CATALOGUE.values():
        assert isinstance(entry, Entry)
        assert entry.license
        assert entry.attribution
        assert bool(entry.sources) != bool(entry.made_from)
        for source in entry.sources:
            algorithm, digest = source.digest.split(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
            assert source.url.startswith("https://")


@pytest.fixture
def homeless(monkeypatch):
    """As in a container whose user is a number: no HOME, and nobody of that number."""
    pwd = pytest.importorskip("pwd")

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "NST_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_a_user_without_a_home_paints_and_is_told_what_else_needs_one(homeless, small_network, monkeypatch):
    assert cache.cached_names() == []
    assert resolve_weights("auto").name == resolve_weights("embedded").name
    with pytest.raises(WeightsError, match="no weights called '~/x' and no such file"):
        resolve_weights("~/x")
    autotune._remember("key", {"precision": "float32"})
    assert autotune._read() == {}
    run("import", "x.npz", "--name", "x", fails="cannot be read")
    run("download", "vgg19", fails="set NST_HOME")
    run("path", "vgg19", fails="set NST_HOME")
    with pytest.raises(WeightsError, match="set NST_HOME"):
        cache.store(small_network)
    with pytest.raises(WeightsError, match="set NST_HOME"):
        cache.own_folder("studio", "data")
    monkeypatch.setenv("NST_HOME", "~/nst")
    run("path", "vgg19", fails="set NST_HOME")
