"""What is built and installed is what is in the repository, no more and no less."""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from nst._version import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("nst", "backends", "models", "cli", "conformance")


def repository_files():
    """Files that git has or would take: relative posix paths, symlinks as such."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


def in_wheel(name):
    """Where a file of the repository is in the wheel: only nst/ keeps its place."""
    return name if name.startswith("nst/") else f"nst/{name}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A clean copy of the repository, so that nothing lies around in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in repository_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def expected():
    """name in the wheel -> file of the repository."""
    package = [name for name in repository_files() if name.split("/")[0] in PACKAGES]
    return {in_wheel(name): ROOT / name for name in package if not (ROOT / name).is_symlink()}


@pytest.fixture(scope="module")
def built(checkout, tmp_path_factory):
    """(sdist, wheel), the wheel built from the sdist, as `pip install nst` from source does."""
    output = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (sdist,), (wheel,) = output.glob("*.tar.gz"), output.glob("*.whl")
    return sdist, wheel


def test_the_wheel_is_small(built):
    assert built[1].stat().st_size < 15e6  # the network alone is 12 MB of it


def test_wheel_holds_every_file_of_the_packages_unchanged(built, expected):
    with zipfile.ZipFile(built[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert names == set(expected)
        for name, path in expected.items():
            assert wheel.read(name) == path.read_bytes(), name


def test_sdist_holds_every_file_of_the_packages_unchanged(built, expected):
    prefix = f"nst-{__version__}/"
    with tarfile.open(built[0]) as sdist:
        names = {name.removeprefix(prefix) for name in sdist.getnames()}
        assert {"pyproject.toml", "README.md", "LICENSE"} <= names
        for path in expected.values():
            name = path.relative_to(ROOT).as_posix()
            assert name in names
            assert sdist.extractfile(prefix + name).read() == path.read_bytes(), name


def test_metadata(built):
    with zipfile.ZipFile(built[1]) as wheel:
        folder = f"nst-{__version__}.dist-info"
        metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
        points = wheel.read(f"{folder}/entry_points.txt").decode()
        assert {f"{folder}/licenses/LICENSE", f"{folder}/licenses/NOTICE"} <= set(wheel.namelist())
    assert (metadata["Name"], metadata["Version"]) == ("nst", __version__)
    assert metadata["License-Expression"] == "Apache-2.0 AND CC-BY-4.0 AND OFL-1.1"
    assert metadata["Requires-Python"] == ">=3.10"
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"torch", "tensorflow", "onnx", "cli", "dev", "all"} <= extras
    assert "nst = nst.cli.main:main" in points
    assert "nst.backends" not in points  # that group is for plug-ins: the built-in ones are known without it


def test_one_onnx_runtime_for_every_machine(built):
    """onnxruntime-gpu on Linux and Windows x86-64, onnxruntime elsewhere, never both and never none."""
    from packaging.requirements import Requirement

    with zipfile.ZipFile(built[1]) as wheel:
        text = wheel.read(f"nst-{__version__}.dist-info/METADATA").decode()
    needed = [Requirement(line) for line in Parser().parsestr(text).get_all("Requires-Dist")]
    machines = {
        ("linux", "x86_64"): "onnxruntime-gpu",
        ("win32", "AMD64"): "onnxruntime-gpu",
        ("linux", "aarch64"): "onnxruntime",
        ("win32", "ARM64"): "onnxruntime",
        ("darwin", "x86_64"): "onnxruntime",
        ("darwin", "arm64"): "onnxruntime",
    }
    for (platform, machine), wanted in machines.items():
        where = {"sys_platform": platform, "platform_machine": machine, "extra": "onnx"}
        found = {r.name for r in needed if r.marker is None or r.marker.evaluate(where)}
        assert {name for name in found if name.startswith("onnxruntime")} == {wanted}


SMOKE = """
import json, sys
import nst, nst.conformance
from nst.backends import backend_names
from nst.models.embedded import load_embedded
weights = load_embedded()
print(json.dumps([nst.__file__, nst.__version__, backend_names(), weights.layer_names[0]]))
"""


def test_unpacked_wheel_works(built, tmp_path, python, pictures, weights_file, environment):
    with zipfile.ZipFile(built[1]) as wheel:
        wheel.extractall(tmp_path / "site")
    environment["PYTHONPATH"] = str(tmp_path / "site")
    done = python("-c", SMOKE)
    assert done.returncode == 0, done.stderr
    file, version, names, first = json.loads(done.stdout)
    assert file == str(tmp_path / "site/nst/__init__.py")
    assert (version, first) == (__version__, "conv1_1")
    assert {"torch", "onnx", "tf", "numpy"} <= set(names)
    fixed = ["-o", "out.png", "--weights", weights_file, "--backend", "numpy", "--size", 32, "--steps", 1]
    done = python("-m", "nst", "stylize", pictures.content, pictures.style, *fixed)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.png").is_file()


def test_symlinks_show_the_installed_shape():
    for name in PACKAGES[1:]:
        link = ROOT / "nst" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..", name)
