"""The rotation that makes components sparse, on sources that are known."""

from __future__ import annotations

import numpy as np

from nst.models.embedded.whitening import sparse_rotation


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_mixed_sparse_sources_are_found_again() -> None:
    """Up to order and sign, R undoes the rotation that mixed them."""
    rng = generator(0)
    sources = rng.laplace(0, np.sqrt(0.5), (20_000, 6))  # deviation 1
    mixture = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    found = sparse_rotation((sources @ mixture.T).astype(np.float32), generator(1), rounds=30)
    match = np.abs(found @ mixture)
    np.testing.assert_allclose(np.sort(match.max(axis=1)), 1, atol=0.01)
    assert sorted(match.argmax(axis=1)) == list(range(6))


def test_the_result_is_a_rotation() -> None:
    white = generator(2).standard_normal((500, 5)).astype(np.float32)
    found = sparse_rotation(white, generator(3))
    np.testing.assert_allclose(found @ found.T, np.eye(5), atol=1e-6)
