"""Small pictures, a small network and ways to run `nst`, for every test."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.backends.registry import how_to_install
from nst.models.random import random_weights
from nst.models.weights import save_weights

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 1 / 16


def pytest_collection_modifyitems(items):
    """Files with slow tests first: one that comes last keeps one process busy while the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def root():
    """The folder with pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def small_network():
    """A whole VGG19 with 4, 8, 16, 32, 32 channels a block; enough style to see it after a few steps."""
    return random_weights(0, WIDTH)


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory, small_network):
    """`small_network` as a file."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(small_network, path)
    return path


@pytest.fixture(scope="session")
def small_run(weights_file):
    """Options of a command that runs the small network on numpy."""
    return ["--weights", weights_file, "--backend", "numpy"]


@pytest.fixture(scope="module")
def small_transfer(pictures, small_network):
    """2 steps at 23 pixels, 3 at 32, with the small network on numpy."""
    options = {"backend": "numpy", "weights": small_network, "size": 32, "steps": (2, 3), "scales": 2}
    return nst.StyleTransfer(pictures.content, pictures.style, **options)


@pytest.fixture(scope="module")
def docs_script():
    """docs_script(name): a script of docs as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield import_module


@pytest.fixture(scope="session")
def weave():
    """weave(picture): how woven it is, see `benchmarks/_quality_measures.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return import_module("_quality_measures").weave


def scene(seed, width, height):
    """(H, W, 3) uint8: smooth colours under hard edges, as pictures have."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (3, 4, 3), np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).copy()
    for _ in range(6):
        top, left = generator.integers(0, height), generator.integers(0, width)
        pixels[top : top + height // 3, left : left + width // 3] = generator.integers(0, 256, 3)
    return pixels


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Paths of content (32x24), style (28x36), other (40x30) and rgba (32x24)."""
    folder = tmp_path_factory.mktemp("pictures")
    made = {"content": scene(1, 32, 24), "style": scene(2, 28, 36), "other": scene(3, 40, 30)}
    alpha = np.linspace(0, 255, 32 * 24).reshape(24, 32, 1).astype(np.uint8)
    made["rgba"] = np.dstack([made["content"], alpha])
    for name, pixels in made.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return SimpleNamespace(folder=folder, **{name: folder / f"{name}.png" for name in made})


@pytest.fixture(scope="session")
def need():
    """need(backend): skip without it, fail if NST_REQUIRE_BACKENDS names it (a comma list)."""

    def check(name):
        missing = how_to_install(name)
        if missing:
            required = os.environ.get("NST_REQUIRE_BACKENDS", "").split(",")
            (pytest.fail if name in required else pytest.skip)(f"backend {name} is not installed: {missing}")

    return check


@pytest.fixture
def environment(tmp_path):
    """For a process that finds the package, keeps its files in tmp_path and stays off the network."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NST_HOME": str(tmp_path / "home"),
        "NST_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def python(tmp_path, environment):
    """python(*arguments): the finished process, run in tmp_path."""

    def run(*arguments, **options):
        command = [sys.executable, *map(str, arguments)]
        settings = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 300}
        return subprocess.run(command, **(settings | options))

    return run


@pytest.fixture
def command(monkeypatch, tmp_path, capfd):
    """command(*arguments): exit status, stdout and stderr of the command line, run in this process."""
    from nst.cli.main import main

    monkeypatch.setenv("NST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NST_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return SimpleNamespace(status=exit_.value.code, stdout=captured.out, stderr=captured.err)

    return run


@pytest.fixture
def stylize(command, pictures, small_run):
    """stylize(*options): `nst stylize` of the small pictures; later options override the defaults."""

    def run(*options, content=pictures.content, style=pictures.style, output="out.png"):
        styles = style if isinstance(style, list) else [style]
        defaults = [*small_run, "--size", 32, "--steps", 3]
        return command("stylize", content, *styles, "-o", output, *defaults, *options)

    return run


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray cluster of one machine that counts as four processors; it is shared, since it takes seconds to start."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        for attempt in range(3):  # it waits for 30 seconds, which is too short on a machine that is busy
            try:
                ray.init(
                    address="local",
                    num_cpus=4,
                    num_gpus=0,
                    object_store_memory=80 * 2**20,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
                break
            except Exception as error:
                ray.shutdown()
                if "timed out during startup" not in str(error) or attempt == 2:
                    raise
    yield ray
    ray.shutdown()
