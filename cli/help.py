"""Help pages in sections: what people need first, then by subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

__all__ = ["FIRST", "SECTIONS", "SectionedCommand", "meant"]

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
    "Start": ("init", "init_noise", "octave_noise", "seed"),
    "Optimisation": ("optimizer", "rate", "history", "scales", "average"),
    "Network and machine": (
        *("weights", "offline", "pooling", "precision", "memory", "tile", "max_pixels", "ray", "ray_workers"),
    ),
    "What is kept": (
        *("save_every", "save_at", "animate", "trace", "checkpoint", "checkpoint_every", "quiet", "help"),
    ),
}
"""Section -> parameters of the commands that paint, in the order of the page. A command's own ones follow the first."""


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
        listed = {name for names in SECTIONS.values() for name in names}
        own = [name for name in records if name not in listed]
        for title, names in SECTIONS.items():
            rows = [records[name] for name in names if name in records]
            if title == FIRST:
                rows += [records[name] for name in own]
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
