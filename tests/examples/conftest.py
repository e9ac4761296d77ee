"""Services that are really started, and ended whatever happens."""

import os
import re
import shutil
import subprocess
import threading
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import nst

LONG = {"size": 256, "steps": 1000}  # minutes, unless somebody ends it
CHOICES = [
    {"size": 48, "steps": 4},
    {"size": 48, "steps": 4, "color": "lab"},
    {"size": 32, "steps": 6, "style_strength": 0.7},
    {"size": 64, "steps": 3},
]


def pixels(png):
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image)


class Started:
    """A process that is running, and what it has printed so far."""

    def __init__(self, command, cwd, env):
        # so that it dies with this process, even where nobody is left to end it
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self.process = subprocess.Popen(
            [*guard, *map(str, command)],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.text, self._ended, self._news = "", False, threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.text += line
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, pattern, timeout=120):
        """The match of what it prints, as soon as it is there."""
        with self._news:
            self._news.wait_for(lambda: re.search(pattern, self.text) or self._ended, timeout)
            found = re.search(pattern, self.text)
            assert found, f"no {pattern!r} in:\n{self.text[-4000:]}"
            return found

    def ended(self, timeout=120):
        """Its exit status, and all that it printed."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status, self.text

    def kill(self):
        """SIGKILL, if it still runs."""
        self.process.kill()
        self.ended()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def start():
    """start(*command, cwd=, env=): a `Started`."""
    running = []

    def begin(*command, cwd, env):
        running.append(Started(command, cwd, env))
        return running[-1]

    yield begin
    for one in running:
        one.kill()


@pytest.fixture(scope="session")
def need_for_service():
    """need_for_service(*modules, program=): skip without them, fail if NST_REQUIRE_SERVICES is set."""

    def check(*modules, program=None):
        missing = [name for name in modules if find_spec(name) is None]
        missing += [program] if program and shutil.which(program) is None else []
        if missing:
            required = os.environ.get("NST_REQUIRE_SERVICES")
            (pytest.fail if required else pytest.skip)(f"not installed: {', '.join(missing)}")

    return check


@pytest.fixture(scope="session")
def service_environment(root, weights_file, tmp_path_factory):
    """service_environment(prefix, **choices): for a service whose choices are NST_PREFIX_NAME, on numpy and alone."""

    def make(prefix, **choices):
        given = {"backend": "numpy", "weights": weights_file, **choices}
        return {
            **os.environ,
            "PYTHONPATH": str(root),
            "PYTHONUNBUFFERED": "1",
            "NST_HOME": str(tmp_path_factory.mktemp("home")),
            "NST_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            **{f"NST_{prefix}_{name.upper()}": str(value) for name, value in given.items()},
        }

    return make


@pytest.fixture(scope="session")
def files(pictures):
    """The bytes of the small content and style picture."""
    return {"content": pictures.content.read_bytes(), "style": pictures.style.read_bytes()}


@pytest.fixture
def check(files, weights_file):
    """check(png, choice): that it is what a single call makes of the small pictures."""

    def compare(png, choice):
        expected = nst.stylize(**files, **choice, weights=weights_file, backend="numpy")
        assert expected.size == (choice["size"], choice["size"] * 3 // 4)
        assert np.array_equal(pixels(png), np.asarray(expected))

    return compare


@pytest.fixture(scope="session")
def module_of(root):
    """module_of("celery_worker", "worker"): a file of an example, imported here as if beside it."""

    def load(example, name):
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(root / "examples" / example))
            return import_module(name)

    return load
