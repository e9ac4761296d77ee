"""Prints `golden.json`: `python -m nst.conformance.golden > conformance/golden.json`.

The values are the float64 reference's for VGG19 with `random_weights(0)`. They change only when the seeded
weights, the fixed pictures or the mathematics change, and then on purpose.
"""

from __future__ import annotations

import json

from nst.backends._numpy import NumpyBackend
from nst.conformance.case import Side
from nst.conformance.full import golden_values

__all__ = ["main"]


def main() -> None:
    """Work the values out and print them."""
    values = {"command": "python -m nst.conformance.golden > conformance/golden.json"}
    values |= golden_values(Side(NumpyBackend(dtype="float64")))
    print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
