"""What `make docs` adds to the pages in docs: commands, files from outside docs, links that hold on the site."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path, PurePosixPath

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from nst.cli.main import COMMANDS, cli
from nst.cli.options import SectionedCommand

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changes.md",
    "README.md": "index.md",
}
"""Pages that stand beside docs -> their names on the site."""

LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")
NOTEBOOK = re.compile(r'(?<=href=")\.\./(?:\.\./)?([^":]+\.md)(?=")')
LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """One page a command into the navigation."""
    section = next(entry for entry in config.nav if "Command line" in entry)
    section["Command line"] += [{f"nst {name}": f"commands/{name}.md"} for name in COMMANDS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Make the pages that are not in docs."""
    made = {site: (ROOT / source).read_text() for source, site in PAGES.items() if source != "README.md"}
    context = click.Context(cli, info_name="nst")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        made[f"commands/{name}.md"] = "\n".join(command_page(name, command, context, 1))
    linked = {
        target
        for path in (ROOT / "docs").glob("*.md")
        for link in LINK.findall(path.read_text())
        if link.startswith("../") and (target := link.removeprefix("../")) not in PAGES
    }
    made |= {f"source/{target}.md": source_page(target) for target in linked}
    for site, text in made.items():
        files.append(File.generated(config, site, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to files beside docs at their pages on the site."""
    here = PurePosixPath(page.file.src_uri)
    if str(here) in PAGES.values() and str(here) != "index.md":
        return LINK.sub(lambda match: beside(match[1]), markdown)
    if here.parent != PurePosixPath("."):
        return markdown
    return LINK.sub(lambda match: beside(match[1][3:]) if match[1].startswith("../") else match[1], markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of notebooks, which MkDocs leaves as they are."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    return NOTEBOOK.sub(
        lambda match: f"../{PurePosixPath(PAGES.get(match[1], match[1])).with_suffix('.html')}", html
    )


def beside(target: str) -> str:
    """The page, seen from the top of the site, of a path seen from the top of the repository."""
    if target in PAGES:
        return PAGES[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"source/{target}.md"


def source_page(target: str) -> str:
    """A file, or the files of a folder, as they are in the repository."""
    command = ["git", "ls-files", "--", target]
    tracked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    parts = [f"# {target}"]
    for name in tracked:
        text = (ROOT / name).read_text()
        title = [] if name == target else [f"## {PurePosixPath(name).relative_to(target)}"]
        parts += [*title, f"`````{LANGUAGES.get(PurePosixPath(name).suffix, 'text')}\n{text}\n`````"]
    return "\n\n".join(parts)


def command_page(name: str, command: click.Command, parent: click.Context, depth: int) -> Iterator[str]:
    """The help page of a command, and of those below it, as Markdown."""
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * depth} {context.command_path}\n"
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    for paragraph in re.split(r"\n\s*\n", cleandoc(command.help or "")):
        kept = paragraph.startswith("\b\n")  # click's sign for lines that are not to be wrapped
        yield f"```sh\n{paragraph[2:]}\n```\n" if kept else f"{plain(paragraph)}\n"
    for title, rows in option_sections(command, context):
        yield f"**{title}**\n"
        yield from (f"`{option}`\n:   {plain(' '.join(text.split()))}\n" for option, text in rows)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from command_page(below, command.get_command(context, below), context, depth + 1)


def option_sections(
    command: click.Command, context: click.Context
) -> Iterable[tuple[str, Iterable[tuple[str, str]]]]:
    """The options as on the help page: in sections, where it has them."""
    if isinstance(command, SectionedCommand):
        return command.option_sections(context)
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    return [("Options", [record for record in records if record is not None])]


def plain(text: str) -> str:
    """A text that Markdown takes to the letter."""
    return re.sub(r"[&<>\[\]*_`]", lambda match: f"&#{ord(match[0])};", text)
