"""`nst resume`: a run that was cut off goes on."""

from __future__ import annotations

import click

__all__ = ["resume"]


@click.command()
@click.argument("checkpoint", type=click.Path())
@click.option(
    "-o", "--output", type=click.Path(), help="The result.  [default: as it was asked for at first]"
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Go on although an input file, the network, a version or the machine has changed.",
)
@click.option("--offline", is_flag=True, help="Never download weights (also: NST_OFFLINE=1).")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def resume(checkpoint: str, output: str | None, anyway: bool, offline: bool, quiet: bool) -> int:
    """Go on with the run that was saved in CHECKPOINT, as if nothing had happened.

    On the same machine the picture is the same, bit for bit. Trace, saved steps and animation go on too.

    \b
    nst stylize photo.jpg painting.jpg -o out.png --checkpoint run.nst
    nst resume run.nst
    """
    from functools import partial

    from nst.checkpoint import read_checkpoint
    from nst.cli.checkpoints import before, changed_inputs, job_of
    from nst.cli.engine import find_network, load_backend
    from nst.cli.running import finish
    from nst.errors import NSTError
    from nst.transfer import StyleTransfer

    saved = read_checkpoint(checkpoint)
    job = job_of(saved, checkpoint, output)
    job.check()
    changed = changed_inputs(job)
    if changed and not anyway:
        raise NSTError(
            f"{', '.join(changed)} has changed since the run began: start anew, or go on with the picture "
            "as it was: --anyway"
        )
    spec, made, seed = saved.weights["spec"] or job.paths.weights, saved.backend, saved.settings.seed
    transfer = StyleTransfer.resume(
        saved,
        backend=partial(load_backend, made["name"], made["device"], made["precision"]),
        weights=partial(find_network, spec, offline=offline, seed=seed, quiet=quiet),
        anyway=anyway,
    )
    return finish(transfer, job, quiet, before(saved))
