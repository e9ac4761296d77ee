"""Both VGG16s and both normalised VGG19s of the catalogue, from files of the published structure served here."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from nst.engine.weighting import kind_of
from nst.errors import WeightsError
from nst.models import vgg
from nst.models.random import random_weights
from nst.models.store import cache
from nst.models.store.catalogue import CATALOGUE, Source
from nst.models.store.resolve import obtain, resolve_weights
from nst.models.weights import NetworkWeights

FEATURES_16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """serve(name, data): the catalogue's entry fetches these bytes from 127.0.0.1; all else is as published."""
    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NST_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files = {}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def enter(name, data, digest=None):
            published = CATALOGUE[name].sources[0]
            algorithm = published.digest.split(":")[0]
            server.files[f"/{name}"] = data
            digest = (
                digest or f"{algorithm}:{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"
            )
            source = Source(f"http://127.0.0.1:{server.server_address[1]}/{name}", digest, len(data))
            monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], sources=(source,)))

        yield enter
        server.shutdown()
        thread.join()


def convolutions():
    """Those of a VGG16 in the order of the file's input channels; biases are not 0."""
    rng = np.random.default_rng(9)
    wide = random_weights(4, 1 / 16).convolutions
    return {
        layer: (wide[layer][0], rng.normal(0, 0.1, wide[layer][1].shape).astype(np.float32))
        for layer in wide
        if layer not in ("conv3_4", "conv4_4", "conv5_4")
    }


def keras_file(tmp_path):
    """As keras.applications' VGG16 without its top: one group a layer, also for those without weights."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "notop.h5", "w") as file:
        for layer, (weight, bias) in convolutions().items():
            name = f"block{layer[4]}_conv{layer[6]}"
            group = file.create_group(name)
            group[f"{name}_W_1:0"] = weight.transpose(2, 3, 1, 0)
            group[f"{name}_b_1:0"] = bias
        for block in range(1, 6):
            file.create_group(f"block{block}_pool")
    return (tmp_path / "notop.h5").read_bytes()


def torchvision_file():
    torch = pytest.importorskip("torch")
    state = OrderedDict()
    for position, pair in zip(FEATURES_16, convolutions().values(), strict=True):
        for part, array in zip(("weight", "bias"), pair, strict=True):
            state[f"features.{position}.{part}"] = torch.from_numpy(array.copy())
    for position in (0, 3, 6):
        state[f"classifier.{position}.weight"] = torch.ones(4, 4)
        state[f"classifier.{position}.bias"] = torch.ones(4)
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def test_vgg16_of_keras(serve, tmp_path):
    serve("vgg16", keras_file(tmp_path))
    network = obtain("vgg16")
    assert network.layer_names == vgg.VGG16_LAYER_NAMES
    assert (network.name, network.scale, network.mean) == ("vgg16", 255.0, (123.68, 116.779, 103.939))
    assert network.license.startswith("CC BY 4.0 (Karen Simonyan")
    for layer, (weight, bias) in convolutions().items():
        np.testing.assert_array_equal(
            network.convolutions[layer][0], weight[:, ::-1] if layer == "conv1_1" else weight
        )
        np.testing.assert_array_equal(network.convolutions[layer][1], bias)
    assert resolve_weights("vgg16", offline=True).sha256 == network.sha256


def test_vgg16_of_torchvision(serve):
    serve("vgg16-torchvision", torchvision_file())
    network = obtain("vgg16-torchvision")
    assert network.layer_names == vgg.VGG16_LAYER_NAMES
    assert (network.scale, network.std) == (1.0, (0.229, 0.224, 0.225))
    assert network.license.startswith("BSD-3-Clause")
    for layer, (weight, bias) in convolutions().items():
        np.testing.assert_array_equal(network.convolutions[layer][0], weight)
        np.testing.assert_array_equal(network.convolutions[layer][1], bias)


def test_a_file_that_shares_only_the_prefix_of_the_hash_is_refused(serve):
    data = torchvision_file()
    digest = hashlib.sha256(data).hexdigest()
    serve("vgg16-torchvision", data, f"sha256:{digest[:8]}{56 * '0'}")
    with pytest.raises(WeightsError, match="not the published one"):
        obtain("vgg16-torchvision")
    assert not cache.is_cached("vgg16-torchvision")


def test_the_hash_of_torchvision_s_vgg16_begins_as_its_name_says():
    (source,) = CATALOGUE["vgg16-torchvision"].sources
    assert Path(source.url).stem.split("-")[1] == "397923af"
    assert source.digest.startswith("sha256:397923af")


@pytest.fixture
def home_of(command):
    """home_of(name, network): it is in the cache of `command` under that name."""

    def keep(name, network):
        cache.store(replace(network, name=name))

    return keep


@pytest.mark.parametrize("base", ["vgg19", "vgg19-torchvision"])
def test_either_vgg19_can_be_normalised(command, home_of, base):
    """By the command line; every channel has a mean activation of 1 over the pictures of the package afterwards."""
    from nst.models.normalise import mean_activations
    from nst.samples import sample_arrays

    home_of(base, random_weights(1, 1 / 16, "conv2_2"))
    name = f"{base}-normalised"
    done = command("weights", "download", name)
    assert done.status == 0, done.stderr
    assert f"making {name} from {base}" in done.stderr
    network = resolve_weights(name)
    assert "normalised by nst" in network.source
    assert network.license.startswith(CATALOGUE[base].license)
    for means in mean_activations(network, sample_arrays(256)).values():
        np.testing.assert_allclose(means, 1, rtol=1e-4)


@pytest.mark.slow
def test_normalised_networks_are_of_one_kind(home_of):
    home_of("vgg19-torchvision", random_weights(1, 1, "conv1_2"))
    assert kind_of(obtain("vgg19-torchvision")) == "torchvision"
    assert kind_of(obtain("vgg19-torchvision-normalised")) == "normalised"


def test_a_vgg16_can_be_normalised():
    from nst.models.normalise import mean_activations, normalise

    sixteen = NetworkWeights("sixteen", convolutions(), 1.0)
    pictures = [np.random.default_rng(i).random((32, 40, 3)) for i in range(2)]
    normalised = normalise(sixteen, pictures)
    assert normalised.layer_names == vgg.VGG16_LAYER_NAMES
    alive = mean_activations(sixteen, pictures)
    for layer, means in mean_activations(normalised, pictures).items():
        np.testing.assert_allclose(means[alive[layer] > 0], 1, rtol=1e-3)
