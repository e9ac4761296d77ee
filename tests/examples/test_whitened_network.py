"""examples/whitened_network.py: the features are what they are said to be, and `--weights FILE` takes the file."""

import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image

import nst
from nst.models.normalise import mean_activations
from nst.samples import sample_arrays

pytestmark = pytest.mark.slow

TINY = {"width": 1 / 16, "crops": 16, "side": 64, "patches": 20_000}


@pytest.fixture(scope="module")
def script(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "examples"))
        import whitened_network

        yield whitened_network


@pytest.fixture(scope="module")
def network(script):
    return script.build(list(sample_arrays(256)), **TINY)


def test_every_channel_speaks_and_each_component_comes_with_both_signs(network):
    assert [network.channels(f"conv{block}_1") for block in range(1, 6)] == [4, 8, 16, 32, 32]
    for layer, means in mean_activations(network, sample_arrays(256)).items():
        assert 0.7 < means.mean() < 1.4, layer
        assert means.min() > 0.1, layer
    for layer, (weight, _) in network.convolutions.items():
        rows = weight.reshape(len(weight), -1)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(rows[: len(rows) // 2], -rows[len(rows) // 2 :], atol=1e-4, err_msg=layer)


def test_components_are_centred_of_deviation_one_and_do_not_correlate(script):
    """Of patches that correlate: z of `relu(z - threshold)` is the first half of the responses, less the bias."""
    rng = np.random.default_rng(0)
    mixture = rng.normal(0, 1, (18, 18))
    patches = (rng.laplace(0, 1, (50_000, 18)) @ mixture + 3).astype(np.float32)
    for sparse in (False, True):
        weight, bias = script._fit(patches, 16, 1e-9, sparse, rng)
        z = patches @ weight.reshape(16, -1)[:8].T + bias[:8] + script.THRESHOLD
        np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
        np.testing.assert_allclose(np.cov(z.T), np.eye(8), atol=1e-2)


def test_mixed_sparse_sources_are_found_again(script):
    """Up to order and sign, R undoes the rotation that mixed them."""
    rng = np.random.default_rng(0)
    sources = rng.laplace(0, np.sqrt(0.5), (20_000, 6))  # deviation 1
    mixture = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    found = script.sparse_rotation((sources @ mixture.T).astype(np.float32), rng, rounds=30)
    match = np.abs(found @ mixture)
    np.testing.assert_allclose(np.sort(match.max(axis=1)), 1, atol=0.01)
    assert sorted(match.argmax(axis=1)) == list(range(6))


def test_its_file_is_one_for_weights(script, root, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "build", partial(script.build, **TINY))
    samples = root / "nst" / "samples"
    output = tmp_path / "whitened.safetensors"
    monkeypatch.setattr(
        sys, "argv", ["x", str(samples / "rocket.jpg"), str(samples / "cat.jpg"), "-o", str(output)]
    )
    script.main()
    losses = []
    nst.stylize(
        Image.open(samples / "cat.jpg"),
        Image.open(samples / "starry_night.jpg"),
        backend="numpy",
        weights=output,
        size=48,
        steps=3,
        scales=1,
        callback=lambda step: losses.append(step.losses().total),
    )
    assert losses[-1] < 0.8 * losses[0]


def test_a_picture_that_is_too_small_is_named(script, tmp_path, monkeypatch, capsys):
    Image.new("RGB", (200, 100)).save(tmp_path / "flat.png")
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "flat.png")])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert "flat.png has 200x100 pixels" in capsys.readouterr().err
