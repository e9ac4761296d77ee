"""One backend in a process of its own: SPEC, FOLDER and OPTIONS are its arguments."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nst.children import add_working_folder
from nst.conformance.runner import Options, run_here
from nst.errors import NSTError

__all__ = ["main"]


def main() -> None:
    """Write FOLDER/report.json, and FOLDER/arrays.npz for the comparison of backends."""
    spec, folder, options = sys.argv[1:]
    add_working_folder(spec)
    report = Path(folder) / "report.json"
    try:
        values = run_here(spec, Options(**json.loads(options)), Path(folder) / "arrays.npz")
    except NSTError as error:
        values = {"backend": spec, "error": str(error), "results": []}
    report.write_text(json.dumps(values))
