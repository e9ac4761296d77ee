"""`python -m nst.conformance [BACKEND ...]`: the suite without pytest or click."""

from __future__ import annotations

import argparse
import sys

from nst.conformance.runner import run_command
from nst.errors import NSTError


def main() -> int:
    """Run the suite; 0 only when everything passes, 2 for a wrong option."""
    parser = argparse.ArgumentParser(prog="python -m nst.conformance", description=__doc__)
    parser.add_argument(
        "backends", nargs="*", metavar="BACKEND", help="a name or package.module:Class; none: all installed"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), auto, cuda, cuda:N or mps")
    parser.add_argument("--dtype", help="data type; none: the backend's default")
    parser.add_argument("--precision", help="of the network: fp32, bf16, fp16; none: the data type")
    parser.add_argument(
        "--level", type=int, default=7, choices=range(8), help="last level to run (default 7)"
    )
    parser.add_argument("--weights", help="a file with real weights for level 7")
    parser.add_argument("--json", help="write the whole report to this file")
    options = parser.parse_args()
    try:
        passed = run_command(
            options.backends,
            device=options.device,
            dtype=options.dtype,
            precision=options.precision,
            level=options.level,
            weights=options.weights,
            json_file=options.json,
            show=print,
        )
    except NSTError as error:
        print(f"nst.conformance: error: {error}", file=sys.stderr)
        return 2
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
