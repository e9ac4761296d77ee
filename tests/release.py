"""Before a release: wheel and sdist installed in fresh environments, one for each extra, and tried on a picture.

    make release-check

Nothing of the repository is on the path there. It takes minutes and gigabytes of disk, so it is no part of `make test`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    ("wheel", "onnx,cli", ("onnx",)),
    ("wheel", "torch,cli", ("torch",)),
    ("wheel", "tensorflow,cli", ("tf",)),
    ("sdist", "onnx,cli", ("onnx",)),
    ("wheel", "all", ("torch", "onnx", "tf")),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="extras, as in 'torch,cli'")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
        subprocess.run(command, check=True, capture_output=True)
        built = {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}
        for kind, path in built.items():
            print(f"{kind}: {path.name}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
        for kind, extras, backends in TRIES:
            if options.only is not None and extras != options.only:
                continue
            began = time.monotonic()
            reason = attempt(built[kind], extras, backends, folder / f"{kind}-{extras or 'bare'}")
            ending = f"FAILED: {reason}" if reason else "passed"
            print(f"{kind} [{extras}] {time.monotonic() - began:.0f} s: {ending}", flush=True)
            failed += [extras] if reason else []
    return 1 if failed else 0


def attempt(artefact: Path, extras: str, backends: tuple[str, ...], folder: Path) -> str:
    """Install and try; what went wrong, or nothing."""
    python = folder / "bin" / "python"
    home = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = home | {"NST_HOME": str(folder / "home"), "NST_OFFLINE": "1"}
    wanted = f"{artefact}[{extras}]" if extras else str(artefact)
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            str(ROOT / "constraints.txt"),
            wanted,
        ],
        [str(python), "-m", "pip", "check"],
    ]
    for backend in backends:
        steps.append([str(python), "-c", SMOKE.format(backend=backend)])
        if extras:  # with the paper's network, which is in the package
            picture = str(folder / f"{backend}.png")
            size = ["--size", "64", "--steps", "2", "--device", "cpu", "--backend", backend]
            steps.append([str(folder / "bin" / "nst"), "demo", "-o", picture, *size])
    for step in steps:
        done = subprocess.run(
            step, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"{' '.join(step[:4])}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
