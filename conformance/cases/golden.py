"""Prints `golden.json`: `python -m nst.conformance.cases.golden > conformance/cases/golden.json`.

The values are the float64 reference's for VGG19 with `random_weights(0)`. They change only when the seeded
weights, the fixed pictures or the mathematics change, and then on purpose.
"""

from __future__ import annotations

import json

from nst.backends.numpy.backend import NumpyBackend
from nst.conformance.case import Side
from nst.conformance.cases.l7_full_width import golden_values

__all__ = ["main"]


def main() -> None:
    """Work the values out and print them."""
    values = {"command": "python -m nst.conformance.cases.golden > conformance/cases/golden.json"}
    values |= golden_values(Side(NumpyBackend(dtype="float64")))
    print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
