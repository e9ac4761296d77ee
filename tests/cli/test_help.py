"""Help pages: sections, what people need first, and what may have been meant."""

import click
import pytest

from nst.cli.main import COMMANDS, cli
from nst.cli.options import FIRST, PAINTING, SECTION_OF, SECTIONS, SectionedCommand, meant, setting_options


def command_named(name):
    return cli.get_command(click.Context(cli), name)


SECTIONED = [name for name in COMMANDS if isinstance(command_named(name), SectionedCommand)]


def test_every_command_with_many_options_has_sections():
    many = [name for name in COMMANDS if len(getattr(command_named(name), "params", [])) > 15]
    assert sorted(many) == sorted(SECTIONED)


def test_every_option_of_stylize_has_its_section_and_comes_once():
    listed = [name for names in SECTIONS.values() for name in names]
    assert len(listed) == len(set(listed))
    options = [param.name for param in command_named("stylize").params if isinstance(param, click.Option)]
    settings = {param.name for param in click.command()(setting_options(*SECTION_OF)(lambda: None)).params}
    assert set(options) - set(listed) - settings == {"like"}  # the command's own, behind the first section
    assert set(listed) - set(options) == {"help"}
    assert len(SECTIONS[FIRST]) == 10


def test_every_group_of_settings_has_its_section():
    assert set(SECTION_OF) == {*PAINTING, "masks"}
    assert set(SECTION_OF.values()) <= set(SECTIONS)


@pytest.mark.parametrize("name", SECTIONED)
def test_a_page_has_every_option_once_and_the_most_used_first(name, command):
    page = command(name, "--help-all").stdout
    titles = [line[:-1] for line in page.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles[0] == FIRST
    assert set(titles) <= set(SECTIONS)
    starts = [line.split() for line in page[page.index(f"\n{FIRST}:\n") :].splitlines() if line[:3] == "  -"]
    shown = [words[1] if words[0].endswith(",") else words[0] for words in starts]
    own = [
        max(param.opts, key=len) for param in command_named(name).params if not getattr(param, "hidden", True)
    ]
    assert sorted(shown) == sorted([*own, "--help"])


@pytest.mark.parametrize("name", SECTIONED)
def test_the_short_page_has_what_is_needed_first(name, command):
    short, whole = (command(name, option).stdout for option in ("--help", "--help-all"))
    assert f"\n{FIRST}:\n" in short
    assert not [title for title in SECTIONS if title != FIRST and f"\n{title}:\n" in short]
    assert short.endswith(f" more: nst {name} --help-all\n")
    assert len(short.splitlines()) < 0.7 * len(whole.splitlines())


def test_the_best_preset():
    (option,) = (one for one in command_named("stylize").params if one.name == "preset")
    assert option.type.convert("best", option, None) == "quality"


def test_help_is_a_word_too(command):
    assert command("help").stdout == command("--help").stdout
    assert command("help", "vary").stdout == command("vary", "--help").stdout
    assert "there is no command 'varry': did you mean vary?" in command("help", "varry").stderr


def test_nst_alone_offers_the_studio_and_an_example(command):
    result = command()
    assert (result.status, result.stdout) == (2, "")
    for words in ("nst web --open", "nst stylize photo.jpg painting.jpg", "nst --help"):
        assert words in result.stderr


def test_the_page_of_nst_lists_every_command_in_a_section(command):
    page = command("--help").stdout
    lines = [line.split() for line in page.splitlines() if line.startswith("  ")]
    assert [words[0] for words in lines if words and words[0] in COMMANDS] == list(COMMANDS)
    for title in ("Paint:", "Before and after:", "Research:", "Networks and programs:"):
        assert f"\n{title}\n" in page


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("stylise", "did you mean stylize?"),
        ("show-settings", "nst: error: there is no command"),
        ("batsh", "batch"),
    ],
)
def test_a_command_that_does_not_exist(command, typed, suggestion):
    result = command(typed, "a.png")
    assert result.status == 2
    assert suggestion in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_option_that_does_not_exist(command):
    result = command("stylize", "a.png", "b.png", "-o", "c.png", "--styel-weight", "1")
    assert result.status == 2
    assert "'--style-weight'" in result.stderr


@pytest.mark.parametrize(
    ("typed", "own"),
    [("block1_conv1", "conv1_1"), ("block4_conv2", "conv4_2"), ("r31", "conv3_1"), ("conv5-1", "conv5_1")],
)
def test_layers_by_the_names_of_other_programs(stylize, typed, own):
    result = stylize("--content-layers", typed)
    assert result.status == 2
    assert f"unknown layer '{typed}' ({own} here, which is read after its ReLU)" in result.stderr


def test_meant():
    assert meant("colour", ["color", "size"]) == ": did you mean color?"
    assert meant("xyz", ["color", "size"]) == ""
