"""`nst batch`: many pictures."""

from __future__ import annotations

from typing import Any

import click

from nst.cli.like import like_option
from nst.cli.options import (
    PAINTING,
    SectionedCommand,
    engine_options,
    label_options,
    mask_options,
    preset_option,
)


class _Batch(SectionedCommand):
    """Takes all words up to the next option as values of --styles, so that a shell can fill in a pattern."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        given: list[str] = []
        inside = first = False
        for word in args:
            if word.startswith("-"):
                inside, first = word.startswith("--styles="), word == "--styles"
            elif inside:
                given.append("--styles")
            else:
                inside, first = first, False
            given.append(word)
        return super().parse_args(ctx, given)


@click.command(cls=_Batch)
@click.argument("contents", nargs=-1, required=True, type=click.Path())
@click.option(
    "--styles",
    multiple=True,
    metavar="STYLES...",
    help="Style pictures, as CONTENTS: all words up to the next option.",
)
@click.option(
    "-o", "--output", metavar="OUT", required=True, type=click.Path(), help="A folder for the results."
)
@click.option("--pair", is_flag=True, help="The first content in the first style, the second in the second.")
@click.option(
    "--name",
    default="{content}-{style}.png",
    show_default=True,
    metavar="TEMPLATE",
    help="Of a result: {content}, {style}, {folder} and {suffix} (of the content), {number}; a / makes folders.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Pictures at a time, each in a process of its own; the cores are shared out.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="For each picture; one that takes longer has failed.",
)
@click.option("-y", "--yes", is_flag=True, help="Begin a batch of hours without asking.")
@like_option
@preset_option
@engine_options(*PAINTING)
@mask_options
@label_options
def batch(contents: tuple[str, ...], styles: tuple[str, ...], output: str, **options: Any) -> int:
    """Paint every picture of CONTENTS in every style.

    CONTENTS are pictures, folders, "patterns", @LISTS with one of these a line, or one table: a .csv file with the
    columns content, style (several: a.jpg;b.jpg), output, and options such as steps for each row.

    A picture that fails does not keep the others from it; the failures are listed at the end, and the exit status
    is 3. What is done is in OUT/nst-batch.jsonl: the same command goes on where it was stopped. At its end
    OUT/nst-batch.html shows each photograph and what became of it.

    \b
    nst batch photos/ --styles monet.jpg klimt.jpg -o out/
    nst batch photos/*.jpg --styles "paintings/**/*.jpg" -o out/ --name "{style}/{content}.jpg" --jobs 2
    nst batch photos/ --like one.png -o out/
    nst batch table.csv -o out/ --size 768
    """
    from nst.cli.engine import begin

    begin(
        contents[0] if len(contents) == 1 else f"{contents[0]} and {len(contents) - 1} more", options["quiet"]
    )
    from nst.cli.batches import run_batch

    return run_batch(contents, styles, output, **options)
