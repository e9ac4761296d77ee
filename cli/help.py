"""Help pages in sections: what people need first, then by subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import click

from nst.fields import rule_of
from nst.settings import Settings

__all__ = ["FIRST", "SECTIONS", "SECTION_OF", "SectionedCommand", "meant"]

FIRST = "Most used"

SECTIONS: Mapping[str, Sequence[str]] = {
    FIRST: (
        *("output", "preset", "size", "steps", "style_strength", "style_scale", "color", "protect"),
        *("backend", "device"),
    ),
    "Content and style": (
        *("content_layers", "content_weight", "style_layers", "style_weight", "style_weights", "style_loss"),
        *("balance", "tv_weight", "smoothing"),
    ),
    "Where and how it looks": ("mask", "feather", "color_strength", "color_when", "padding"),
    "Start": (),
    "Optimisation": (),
    "Network and machine": (
        *("weights", "offline", "pooling", "precision", "memory", "tile", "max_pixels", "ray", "ray_workers"),
    ),
    "What is kept": (
        *("save_every", "save_at", "animate", "trace", "checkpoint", "checkpoint_every", "quiet", "help"),
    ),
}
"""Section -> parameters of the commands that paint, in the order of the page.

Those that are not listed follow: settings in the section of their group, a command's own ones in the first."""

SECTION_OF: Mapping[str, str] = {
    **dict.fromkeys(("content", "style", "losses"), "Content and style"),
    **dict.fromkeys(("both", "masks"), "Where and how it looks"),
    "start": "Start",
    "run": "Optimisation",
    "size": FIRST,
}
"""Section of the settings of a group."""


class SectionedCommand(click.Command):
    """A command with many options, whose help page has them in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options by section."""
        for title, rows in self.option_sections(ctx):
            with formatter.section(title):
                formatter.write_dl(rows)

    def option_sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """(title, rows of option and help) for each section that has any."""
        records = {
            _name(parameter): record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)) is not None
        }
        groups = {declared.name: rule_of(declared).group for declared in fields(Settings)}
        listed = {name for names in SECTIONS.values() for name in names}
        sections = {
            name: SECTION_OF.get(groups.get(name, ""), FIRST) for name in records if name not in listed
        }
        for title, names in SECTIONS.items():
            rows = [records[name] for name in names if name in records]
            rows += [records[name] for name, own in sections.items() if own == title]
            if rows:
                yield title, rows


def _name(option: click.Option) -> str:
    """style_weight; click calls its own --help otherwise."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def meant(word: str, words: Sequence[str]) -> str:
    """A question for the end of a message, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word, words, n=2)
    return f": did you mean {' or '.join(found)}?" if found else ""
