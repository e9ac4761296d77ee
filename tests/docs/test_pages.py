"""Every block of code on every page: Python runs, lines for a shell are those of the real commands, cheap ones run.

`<!-- not run: why -->` before a block keeps it from running; its lines for a shell are parsed all the same. Blocks of
text that is shown (tables, what a program prints) begin with ```text. docs/writing-a-backend.md is
executed by tests/plugin/test_page.py, the program in docs/export.md by tests/export/test_export.py, CONTRIBUTING.md by
tests/recipes/test_recipes.py.
"""

import ast
import asyncio
import inspect
import re
import shlex
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from PIL import Image

import nst
from nst.cli.main import COMMANDS, cli, main

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("docs/writing-a-backend.md", "docs/export.md", "CONTRIBUTING.md")
"""Pages whose Python another test runs."""

FIRST_SECTIONS = ("The way of one picture", "What can be added")
BLOCK = re.compile(r"^(?:<!-- not run: ([^>]+) -->\n)?```(\w*)\n(.*?)^```$", re.S | re.M)
ASSIGNMENT = re.compile(r"^NST_\w+=\S+ ")
INLINE = re.compile(r"`(nst [^`\n]+)`")


def blocks_of(path):
    """The blocks of a page in their order."""
    found = BLOCK.findall(path.read_text())
    return [SimpleNamespace(reason=reason, language=language, text=text) for reason, language, text in found]


FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): blocks_of(path) for path in FILES}
NOT_RUN = [(page, block.reason) for page, blocks in PAGES.items() for block in blocks if block.reason]


def lines_of(blocks):
    """The lines for a shell, as (block, words)."""
    return [
        (block, shlex.split(ASSIGNMENT.sub("", part), comments=True))
        for block in blocks
        if block.language in ("sh", "bash")
        for line in block.text.splitlines()
        if line.strip() and not line.startswith("#")
        for part in line.split("&&")
    ]


LINES = [(page, block, words) for page, blocks in PAGES.items() for block, words in lines_of(blocks)]
COMMAND = (["nst"], [".venv/bin/nst"])
NST = [(page, block, words[1:]) for page, block, words in LINES if words[:1] in COMMAND]
OTHERS = [(page, words) for page, _, words in LINES if words[:1] not in COMMAND]


def told(value):
    """The name of a parameter in the report of pytest."""
    return " ".join(value) if isinstance(value, list) else str(value)


@pytest.fixture(scope="module")
def small(weights_file):
    """Options that make a run tiny, by the names of a command's parameters."""
    return {
        "size": "48",
        "steps": "1",
        "scales": "1",
        "long_side": "80",
        "backend": "numpy",
        "device": "cpu",
        "weights": str(weights_file),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures, small):
    """The current folder: pictures under the names that the pages use, one of them painted by nst."""
    where = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        patch.setenv("NST_HOME", str(where / "home"))
        patch.setenv("NST_OFFLINE", "1")
        for number, name in enumerate(NAMES):
            Path(name).parent.mkdir(exist_ok=True)
            given = (pictures.content, pictures.style, pictures.other)[number % 3]
            Image.open(given).convert("L" if name in MASKS else "RGB").save(name)
        halves = np.zeros((24, 32, 3), np.uint8)
        halves[:12, :, 2], halves[12:, :, 1] = 255, 128  # blue above, CSS green below
        Image.fromarray(halves).save("map.png")
        ran(["stylize", "photo.jpg", "painting.jpg", "-o", "out.png"], small)
        shutil.copy("out.png", "one.png")
        Path("list.txt").write_text("photo.jpg\n")
        Path("table.csv").write_text("content,style,output\nphoto.jpg,painting.jpg,a.png\n")
        yield where


MASKS = ("sky-mask.png", "mask.png", "head.png", "rest.png")
NAMES = [
    *MASKS,
    *(
        "photo.jpg",
        "painting.jpg",
        "monet.jpg",
        "klimt.jpg",
        "sky.jpg",
        "ground.jpg",
        "portrait.jpg",
        "other.jpg",
    ),
    *(
        "a.jpg",
        "b.jpg",
        "x.jpg",
        "y.jpg",
        "cat.jpg",
        "starry.jpg",
        "starry_night.jpg",
        "woman_with_a_hat.jpg",
        "composition_vii.jpg",
        "great_wave.jpg",
        "udnie.jpg",
        "shipwreck.jpg",
        "tubingen.jpg",
        "coffee.jpg",
        "astronaut.jpg",
        "rocket.jpg",
        "photos/a.jpg",
        "paintings/x.jpg",
    ),
    *("astronaut.png", "coffee.png", "rocket.png"),
    *("glass.jpg", "waves.jpg", "style.jpg", "content.jpg"),
]


def ran(words, small):
    """Run a line of a page, made tiny by options at its end."""
    command, _ = parsed(words)
    known = {parameter.name: max(parameter.opts, key=len) for parameter in command.params}
    more = [word for name, value in small.items() if name in known for word in (known[name], value)]
    with pytest.raises(SystemExit) as done:
        main([*words, *more])
    assert done.value.code == 0, words


CHEAP = ("stylize", "texture", "invert", "recolor", "show", "presets", "plan", "poster")
COSTLY = ("--protect", "face", "--ray", "--animate")
RUNS = [
    (page, words)
    for page, block, words in NST
    if not block.reason and words[0] in CHEAP and not {*COSTLY} & {*words}
]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "words"), RUNS, ids=told)
def test_a_cheap_line_runs(page, words, folder, small, capsys):
    """With one step at 48 pixels; the options are those of the page."""
    ran(words, {**small, "size": "96x96"} if words[0] == "texture" else small)


def test_blocks_are_of_a_kind_that_is_tested():
    kinds = {block.language for page, blocks in PAGES.items() if page not in ELSEWHERE for block in blocks}
    assert kinds <= {"sh", "bash", "python", "text"}


def test_no_more_blocks_are_left_out_than_these():
    assert len(NOT_RUN) == 1, NOT_RUN


@pytest.mark.parametrize(("page", "words"), [(page, words) for page, _, words in NST], ids=told)
def test_a_line_is_understood(page, words, folder):
    """Its command and options exist, its values are valid."""
    assert parsed(words) is not None


def parsed(words):
    """(command, context) of a line, as click takes it."""
    context = click.Context(cli, info_name="nst")
    command = cli.get_command(context, words[0])
    assert command is not None, words[0]
    if isinstance(command, click.Group):
        context, words = click.Context(command, info_name=words[0], parent=context), words[1:]
        command = command.get_command(context, words[0])
        assert command is not None, words[0]
    return command, command.make_context(words[0], words[1:], parent=context)


@pytest.mark.parametrize("page", PAGES)
def test_what_prose_says_of_commands_is_there(page):
    """`nst COMMAND ... --option` in the text: the command has this option."""
    for text in INLINE.findall(BLOCK.sub("", (ROOT / page).read_text())):
        words = text.split()
        if words[1] not in COMMANDS:
            assert words[1].startswith("-") or words[1].isupper() or words[1] == "stylise", text
            continue
        command = cli.get_command(click.Context(cli), words[1])
        if isinstance(command, click.Group) and len(words) > 2:
            command = command.commands[words[2]]
        known = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in words[2:]:
            if word.startswith("--"):
                assert word.split("=")[0].rstrip(",.)") in known, text


@pytest.mark.parametrize(("page", "words"), OTHERS, ids=told)
def test_what_other_lines_name_is_there(page, words):
    """Targets of make, extras of the package, files."""
    program, rest = words[0], words[1:]
    if program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.M)
    elif program == "pip":
        tomllib = pytest.importorskip("tomllib")
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for word in rest:
            if own := re.fullmatch(r"(?:\.|nst)\[(.*)\]", word):
                assert set(own[1].split(",")) <= set(extras)
    elif program == "python" and rest[0].endswith(".py"):
        assert (ROOT / rest[0]).is_file()
    else:
        assert program in {
            "cd",
            "python",
            "git",
            ".",
            "pre-commit",
            "eval",
            "man",
            "_NST_COMPLETE=fish_source",
            "click-man",
        }, words


def names():
    """What the text of a page says that a reader has: pictures as arrays and paths, something that listens."""
    generator = np.random.default_rng(0)
    photo, painting, other = (generator.integers(0, 256, (32, 40, 3), np.uint8) for _ in range(3))
    heard = lambda *_: None  # noqa: E731
    return {
        "nst": nst,
        "content": photo,
        "photo": photo,
        "style": painting,
        "painting": painting,
        "other": other,
        "frames": [photo, photo],
        "report": heard,
        "send": heard,
        "network": "random",
        "asyncio": asyncio,
        "cancel": threading.Event(),
        "transfer": nst.StyleTransfer(photo, painting),
    }


PYTHON = [
    page
    for page, blocks in PAGES.items()
    if page not in ELSEWHERE and any(block.language == "python" for block in blocks)
]


@pytest.mark.parametrize("page", PYTHON)
def test_python_runs(page, folder, tiny):
    """The blocks of a page one after the other, in one name space, as a reader types them."""
    space = names()
    for block in PAGES[page]:
        if block.language == "python" and not block.reason:
            code = compile(block.text, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            made = eval(code, space)
            if inspect.iscoroutine(made):
                asyncio.run(made)


def test_the_way_of_a_picture_and_what_can_be_added_name_files_that_are_there():
    """The two lists at the top of docs/architecture.md, and the names that stand beside a file in them."""
    page = (ROOT / "docs/architecture.md").read_text()
    way, places = (page.split(f"## {title}\n")[1].split("\n## ")[0] for title in FIRST_SECTIONS)
    assert [int(number) for number in re.findall(r"^(\d+)\. ", way, re.M)] == list(range(1, 11))
    names = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", way + places)
    assert len(names) > 40
    assert [name for name in names if not (ROOT / name).exists()] == []
    beside = re.findall(r"`([A-Za-z_]\w+)`(?: and `([A-Za-z_]\w+)`)? (?:in|of) `((?:\w+/)+\w+\.py)`", places)
    assert len(beside) > 10
    for *words, file in beside:
        text = (ROOT / file).read_text()
        for word in filter(None, words):
            assert re.search(rf"^(class|def) {word}\b|^{word}\b.*=", text, re.M), f"{word} in {file}"


def test_the_readme_is_read_in_a_minute():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90
