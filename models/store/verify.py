"""Is this file a VGG19, whose, and does it compute what the others compute?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nst.models.forward import feature_differences
from nst.models.importers import file_digest, import_file
from nst.models.random import probe_features
from nst.models.store import cache
from nst.models.store.catalogue import CATALOGUE
from nst.models.weights import NetworkWeights

_SAME = 1e-4
"""Largest relative difference of features of the same network in two formats: float32 and a mean rounded
to three decimals give about 1e-5."""


@dataclass(frozen=True)
class Verified:
    """What `verify_file` found out about a readable VGG19."""

    weights: NetworkWeights
    format: str  # of the file
    convention: str  # how its input is meant ("stored" where the file says it)
    assumed: bool  # the convention is a guess from the format
    published: str  # the URL whose published hash the file has, or ""
    dead: dict[str, int]  # how many channels do not respond to the probe, by layer, where there are any
    same_as: str  # the network in the cache with the same features, or ""
    difference: float  # relative, of the features from that network's


def verify_file(path: str | Path, convention: str | None = None) -> Verified:
    """Read a file and look at what it computes on a fixed picture.

    WeightsError: unreadable, damaged, not a VGG19; one line that names the layer.
    """
    path = Path(path)
    imported = import_file(path, convention=convention)
    features = probe_features(imported.weights)
    dead = {layer: int((maps.max(axis=(1, 2)) <= 0).sum()) for layer, maps in features.items()}
    same_as, difference = _closest(imported.weights, features, path)
    return Verified(
        weights=imported.weights,
        format=imported.format,
        convention=imported.convention,
        assumed=not imported.certain,
        published=_published(path),
        dead={layer: count for layer, count in dead.items() if count},
        same_as=same_as,
        difference=difference,
    )


def _published(path: Path) -> str:
    for entry in CATALOGUE.values():
        for source in entry.sources:
            algorithm, digest = source.digest.split(":")
            if file_digest(path, algorithm) == digest:
                return source.url
    return ""


def _closest(
    weights: NetworkWeights, features: dict[str, NDArray[np.float32]], path: Path
) -> tuple[str, float]:
    """The cached network whose features are the same, and by how much they differ at most."""
    for name in cache.cached_names():
        if cache.cached_path(name) == path:
            continue
        other = cache.load_cached(name)
        common = [layer for layer in weights.layer_names if layer in other.layer_names]
        if any(weights.channels(layer) != other.channels(layer) for layer in common):
            continue
        difference = max(feature_differences(features, probe_features(other)).values())
        if difference < _SAME:
            return name, difference
    return "", 0.0
