"""Run the tutorial notebooks and keep what they show, made small.

    python docs/make_notebooks.py                  all of docs/notebooks
    python docs/make_notebooks.py first-picture    these

Needs `nst[torch,onnx,notebook]`, nbclient and ipykernel. The cell tagged "parameters" says how large and how long.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).with_name("notebooks")
COLORS = 256
KEPT = ("text/plain", "text/html", "image/png")
WIDGET = "application/vnd.jupyter.widget-view+json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "names", nargs="*", help=", ".join(path.stem for path in sorted(FOLDER.glob("*.ipynb")))
    )
    names = parser.parse_args().names
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or path.stem in names:
            nbformat.write(tidied(executed(path)), path)
            print(path, path.stat().st_size, flush=True)


def executed(path: Path, parameters: str | None = None, environment: Mapping[str, str] = os.environ) -> Any:
    """A notebook after a run in a folder of its own.

    Args:
        path: of the notebook.
        parameters: in place of its cell with that tag.
        environment: of its kernel.
    """
    notebook: Any = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if parameters is not None and "parameters" in cell.metadata.get("tags", ()):
            cell.source = parameters
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": folder}})
        client.execute(env=dict(environment))
    return notebook


def tidied(notebook: Any) -> Any:
    """The same without times and bars, its pictures in few colours."""
    notebook.metadata = {"language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            for output in cell.outputs:
                if "data" in output:
                    output.data = {kind: data for kind, data in output.data.items() if kind in KEPT}
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = smaller(output.data["image/png"])
    return notebook


def smaller(png: str) -> str:
    """A PNG in base64 with a palette, if that is smaller."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(COLORS).save(buffer, "PNG", optimize=True)
    return min(base64.b64encode(buffer.getvalue()).decode(), png, key=len)


if __name__ == "__main__":
    main()
