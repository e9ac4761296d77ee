"""Prints `golden.json`: `python -m nst.conformance.cases.golden > conformance/cases/golden.json`.

The values are the float64 reference's for VGG19 with `random_weights(0)` and for the trained one of the package. They
change only when the weights, the fixed pictures or the mathematics change, and then on purpose.
"""

from __future__ import annotations

import json

from nst.backends.numpy.backend import NumpyBackend
from nst.conformance.case import Side
from nst.conformance.cases.l7_full_width import golden_values


def main() -> None:
    """Work the values out and print them."""
    side = Side(NumpyBackend(dtype="float64"))
    values = {
        "command": "python -m nst.conformance.cases.golden > conformance/cases/golden.json",
        **golden_values(side),
    }
    print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
