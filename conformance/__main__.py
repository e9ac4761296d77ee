"""`python -m nst.conformance [BACKEND ...]`: the suite without pytest or click."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from nst.children import leave_working_folder
from nst.conformance.runner import Options, run_command
from nst.errors import NSTError


def main() -> int:
    """Run the suite; 0 only when everything passes, 2 for a wrong option."""
    leave_working_folder()
    parser = argparse.ArgumentParser(prog="python -m nst.conformance", description=__doc__)
    parser.add_argument(
        "backends", nargs="*", metavar="BACKEND", help="a name or package.module:Class; none: all installed"
    )
    for option in fields(Options):
        kind = int if isinstance(option.default, int) else str
        parser.add_argument(
            f"--{option.name}", type=kind, default=option.default, help=option.metadata["help"]
        )
    parser.add_argument("--json", help="Write the whole report to this file.")
    given = vars(parser.parse_args())
    backends, json_file = given.pop("backends"), given.pop("json")
    try:
        passed = run_command(backends, Options(**given), json_file, print)
    except NSTError as error:
        print(f"nst.conformance: error: {error}", file=sys.stderr)
        return 2
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
