"""What a release is made with: the tries, the workflow that publishes it."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info < (3, 11):
    pytest.skip("tomllib came with Python 3.11", allow_module_level=True)
import tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def with_named(extras):
    """Extras, and those that they name themselves, as `all` does."""
    found = set()
    for name in extras:
        found.add(name)
        for requirement in map(Requirement, EXTRAS[name]):
            found |= with_named(requirement.extras) if requirement.name == "nst" else set()
    return found


def test_each_extra_is_tried(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    tried = {name for _, extras, _ in import_module("release").TRIES for name in extras.split(",") if name}
    assert with_named(tried) == EXTRAS.keys() - {"dev", "docs"}


def test_the_extra_of_the_studio_brings_its_command():
    assert "cli" in with_named(["web"])


def workflow():
    """Its jobs, and what starts it."""
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    return read["jobs"], read[True]  # YAML 1.1 takes "on" for a truth value


def test_a_release_is_tried_on_every_python_that_it_says_it_runs_on():
    names = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert PROJECT["requires-python"] == f">={names[0]}"
    jobs, _ = workflow()
    assert jobs["try"]["strategy"]["matrix"]["python"] == names
    assert [jobs[name].get("needs") for name in ("build", "try", "publish")] == [None, "build", "try"]


def test_the_upload_needs_a_release_an_environment_and_no_secret():
    jobs, starts = workflow()
    assert starts["release"] == {"types": ["published"]}
    publish = jobs["publish"]
    assert publish["if"] == "github.event_name == 'release'"
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "release"
    assert "id-token" not in str([jobs["build"], jobs["try"]])
    assert "secrets." not in str(jobs)
    assert [step["uses"].split("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
