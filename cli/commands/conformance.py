"""`nst conformance`: do the backends compute the same thing?"""

from __future__ import annotations

from typing import Any

import click

# the fields of `nst.conformance.runner.Options`, written out: --help shall not load numpy


@click.command()
@click.argument("backends", nargs=-1, metavar="[BACKEND]...")
@click.option("--device", default="cpu", show_default=True, help="cpu, auto, cuda, cuda:N or mps.")
@click.option("--dtype", metavar="TYPE", help="Data type.  [default: each backend's own]")
@click.option(
    "--precision", metavar="TYPE", help="Of the network: fp32, bf16, fp16.  [default: the data type]"
)
@click.option(
    "--level", type=click.IntRange(0, 7), default=7, show_default=True, help="The last level to run."
)
@click.option("--weights", type=click.Path(), help="A file with real weights, for level 7.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False), help="Write the whole report to this file."
)
def conformance(backends: tuple[str, ...], json_file: str | None, **options: Any) -> int:
    """Check backends against the float64 reference, each in a process of its own, and against each other.

    A BACKEND is a name or package.module:Class. Without one: every installed backend, and every one that
    NST_REQUIRE_BACKENDS names, whether installed or not.

    Levels: 0 transfer, 1 primitives, 2 features, 3 losses, 4 gradients, 5 vector space, 6 optimisers, 7 the
    network at full size.

    \b
    nst conformance
    nst conformance torch tf --level 4
    nst conformance torch --precision bf16
    nst conformance my_package.backend:MyBackend --json report.json
    """
    from nst.conformance.runner import Options, run_command

    return 0 if run_command(backends, Options(**options), json_file, click.echo) else 1
