"""Before a release: wheel and sdist installed in fresh environments, one for each extra, and tried on a picture.

    make release-check
    python3.13 tests/release.py --dist dist --newest      what is in dist, on this Python, as pip resolves it today

Nothing of the repository is on the path there. It takes minutes and gigabytes of disk, so it is no part of `make test`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]

SMOKE = """
import numpy as np, nst
content = np.linspace(0, 1, 48 * 64 * 3, dtype=np.float32).reshape(48, 64, 3)
style = np.random.default_rng(0).random((48, 64, 3), dtype=np.float32)
result = nst.stylize(content, style, backend="{backend}", device="cpu", size=64, steps=2, scales=1, progress=False)
assert result.shape == content.shape and np.isfinite(result).all() and np.abs(result - content).max() > 1e-3
print("library", nst.__version__, nst.__file__)
"""

TRIES = (  # artefact, extras, backends to try
    ("wheel", "", ("numpy",)),
    ("wheel", "web,onnx", ("onnx",)),
    ("wheel", "torch,cli", ("torch",)),
    ("wheel", "tensorflow,cli", ("tf",)),
    ("wheel", "cli,heif,import,jxl,notebook,protect,tiff,video", ("numpy",)),
    ("sdist", "onnx,cli", ("onnx",)),
    ("wheel", "all", ("torch", "onnx", "tf")),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="extras, as in 'torch,cli'")
    parser.add_argument("--dist", type=Path, help="folder with wheel and sdist; else they are built")
    parser.add_argument("--newest", action="store_true", help="not the versions of constraints.txt")
    options = parser.parse_args()
    pins = [] if options.newest else ["--constraint", str(ROOT / "constraints.txt")]
    failed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.dist is None:
            command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", name, str(ROOT)]
            subprocess.run(command, check=True, capture_output=True)
        dist = (options.dist or folder).resolve()
        built = {"wheel": next(dist.glob("*.whl")), "sdist": next(dist.glob("*.tar.gz"))}
        for kind, path in built.items():
            print(f"{kind}: {path.name}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
        for kind, extras, backends in TRIES:
            if options.only is not None and extras != options.only:
                continue
            began = time.monotonic()
            reason = attempt(built[kind], extras, backends, folder / f"{kind}-{extras or 'bare'}", pins)
            ending = f"FAILED: {reason}" if reason else "passed"
            print(f"{kind} [{extras}] {time.monotonic() - began:.0f} s: {ending}", flush=True)
            failed += [extras] if reason else []
    return 1 if failed else 0


def attempt(artefact: Path, extras: str, backends: Sequence[str], folder: Path, pins: Sequence[str]) -> str:
    """Install and try; what went wrong, or nothing."""
    python, nst = str(folder / "bin" / "python"), str(folder / "bin" / "nst")
    home = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = home | {"NST_HOME": str(folder / "home"), "NST_OFFLINE": "1"}
    wanted = f"{artefact}[{extras}]" if extras else str(artefact)
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", *pins, wanted],
        [python, "-m", "pip", "check"],
    ]
    for backend in backends:
        steps.append([python, "-c", SMOKE.format(backend=backend)])
        if extras:  # with the paper's network, which is in the package
            picture = str(folder / f"{backend}.png")
            size = ["--size", "64", "--steps", "2", "--device", "cpu", "--backend", backend]
            steps.append([nst, "demo", "-o", picture, *size])
    for step in steps:
        done = subprocess.run(
            step, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"{' '.join(step[:4])}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"
    return served([nst, "web", "--port", "0"], folder.parent, environment) if "web" in extras else ""


def served(command: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    """Open the studio's page as a browser does; what went wrong, or nothing."""
    server = subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            found = re.search(r"http://\S+", line)
            if found:
                page = urlopen(found[0], timeout=60).read()
                return "" if b"<title>" in page else f"{found[0]} is no page"
        return f"nst web: {said.strip().splitlines()[-1:]}"
    finally:
        server.terminate()
        server.communicate(timeout=60)


if __name__ == "__main__":
    sys.exit(main())
