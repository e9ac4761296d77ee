"""What a release is made with: the tries, the workflow that publishes it, the two Dockerfiles."""

import json
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from nst.cli.commands.web import web

if sys.version_info < (3, 11):
    pytest.skip("tomllib came with Python 3.11", allow_module_level=True)
import tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")


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


def test_the_lines_that_install_name_extras_that_there_are():
    named = re.findall(r"(?:nst|\.)\[([^]]+)\]", (ROOT / "docs" / "install.md").read_text())
    assert {"web,onnx", "web,torch"} <= set(named)
    for extras in named:
        assert set(extras.split(",")) <= EXTRAS.keys()
        assert "cli" in with_named(extras.split(","))  # all of them end in a command


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


def steps(name):
    """(instruction, what follows) of a Dockerfile."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and line[0] != "#"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_names_no_host_and_installs_extras_that_there_are(name):
    text = "\n".join(value for _, value in steps(name))
    for kind, value in steps(name):
        assert kind != "FROM" or "." not in value.partition(":")[0], value
    (wanted,) = re.findall(r"/src\[([^]]+)\]", text)
    (wanted,) = re.findall(r"EXTRAS=(\S+)", text) if wanted == "$EXTRAS" else (wanted,)
    assert {"cli", "web"} <= with_named(wanted.split(","))
    assert {".git", ".venv"} <= set((ROOT / ".dockerignore").read_text().split())


def test_the_studio_is_served_out_of_the_container_by_nobody_in_particular():
    last = dict(steps("Dockerfile"))
    assert last["USER"] == "painter"
    assert "useradd --create-home --uid 1000 painter" in last["RUN"]  # as a Hugging Face Space wants it
    home = dict(word.split("=", 1) for word in shlex.split(last["ENV"]))["NST_HOME"]
    assert last["VOLUME"] == home
    assert re.search(rf"chown painter {home}\b", last["RUN"])
    assert json.loads(last["ENTRYPOINT"]) == ["nst"]
    command, *options = json.loads(last["CMD"])
    assert (command, options) == ("web", ["--host", "0.0.0.0"])
    assert int(last["EXPOSE"]) == next(one.default for one in web.params if one.name == "port")


def test_its_command_is_one_that_nst_web_takes():
    _, *options = json.loads(dict(steps("Dockerfile"))["CMD"])
    assert web.make_context("nst web", options).params["host"] == "0.0.0.0"
