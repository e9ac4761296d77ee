"""How large the features of pictures are: the table `nst.engine.weighting.TYPICAL`.

    python benchmarks/silence.py [NETWORK ...]       embedded and vgg19-embedded-normalised unless named

Geometric means over three pictures below --photographs and four photographs of scikit-image, each 320x240, of the mean
of F^2 and of the mean square of the entries of G / M, by layer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from nst.models.forward import activations
from nst.models.store.resolve import resolve_weights


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=["embedded", "vgg19-embedded-normalised"])
    parser.add_argument("--photographs", type=Path, default=Path("../shared/images"))
    options = parser.parse_args()
    files = [options.photographs / name for name in ("starry_night.jpg", "shipwreck.jpg", "tubingen.jpg")]
    pictures = [Image.open(path) for path in files]
    pictures += [
        Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "rocket", "chelsea")
    ]
    for name in options.networks:
        weights = resolve_weights(name)
        logs: dict[str, list[tuple[float, float]]] = {}
        for picture in pictures:
            pixels = np.asarray(picture.convert("RGB").resize((320, 240))) / np.float32(255)
            for layer, maps in activations(weights, pixels):
                flat = maps.reshape(len(maps), -1).astype(np.float64)
                gram = flat @ flat.T / flat.shape[1]
                logs.setdefault(layer, []).append((np.log((flat**2).mean()), np.log((gram**2).mean())))
        for layer, values in logs.items():
            squares, products = np.exp(np.mean(values, axis=0))
            print(f"{weights.name} {layer} FeaturelessPicture({squares:.2g}, {products:.2g})", flush=True)


if __name__ == "__main__":
    main()
