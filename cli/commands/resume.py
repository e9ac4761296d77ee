"""`nst resume`: a run that was cut off goes on."""

from __future__ import annotations

import os

import click

from nst.cli.options import address


@click.command()
@click.argument("checkpoint", type=click.Path())
@click.option(
    "-o", "--output", type=click.Path(), help="The result.  [default: as at first, beside CHECKPOINT]"
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False),
    metavar="FILE|off",
    help="The trace.  [default: as at first, beside CHECKPOINT]",
)
@click.option(
    "--animate",
    type=click.Path(dir_okay=False),
    metavar="FILE|off",
    help="The animation.  [default: as at first, beside CHECKPOINT]",
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Go on although an input file, the network, a version or the machine has changed.",
)
@click.option(
    "--device",
    metavar="DEVICE[,...]",
    help="As for 'nst stylize'; several have to be said again.  [default: as at first]",
)
@click.option(
    "--ray",
    is_flag=False,
    flag_value="auto",
    metavar="[ADDRESS]",
    is_eager=True,
    callback=address,
    help="As for 'nst stylize'; a cluster has to be said again.",
)
@click.option("--ray-workers", type=click.IntRange(min=1), metavar="N", help="Actors.")
@click.option(
    "--weights",
    metavar="NAME|PATH",
    help="The network; one that is to be downloaded has to be said again.  [default: as at first]",
)
@click.option("--offline", is_flag=True, help="Never download weights (also: NST_OFFLINE=1).")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def resume(
    checkpoint: str,
    output: str | None,
    trace: str | None,
    animate: str | None,
    anyway: bool,
    device: str | None,
    ray: str | None,
    ray_workers: int | None,
    weights: str | None,
    offline: bool,
    quiet: bool,
) -> int:
    """Go on with the run that was saved in CHECKPOINT, as if nothing had happened.

    On the same machine the picture is the same, bit for bit. Trace, saved steps and animation go on too. A checkpoint
    writes beside itself alone, and replaces nothing but what its own run has written; other places are yours to give.

    \b
    nst stylize photo.jpg painting.jpg -o out.png --checkpoint run.nst
    nst resume run.nst
    """
    from functools import partial

    from nst.checkpoint import read_checkpoint
    from nst.cli.checkpoints import PICTURES, Places, before, changed_inputs, job_of, photograph, require_own
    from nst.cli.engine import find_network, load_backend
    from nst.cli.running import finish
    from nst.errors import NSTError
    from nst.models.store.resolve import require_here
    from nst.transfer import StyleTransfer
    from nst.workers import Devices

    if os.path.splitext(checkpoint)[1].lower() in PICTURES:  # of which the checkpoint may lie beside it
        picture, checkpoint = checkpoint, f"{checkpoint}.checkpoint"
        if not os.path.exists(checkpoint):
            raise NSTError(
                f"{picture} is a picture, and there is no {checkpoint}: see nst show, or nst stylize --like {picture}"
            )
    saved, places = read_checkpoint(checkpoint), Places(output, trace, animate)
    job = job_of(saved, checkpoint, places)
    job.check()
    behind = before(saved)
    changed = changed_inputs(job)
    if changed and not anyway:
        raise NSTError(
            f"{', '.join(changed)} has changed since the run began: start anew, or go on with the picture "
            "as it was: --anyway"
        )
    if job.long_side is not None and photograph(job) is None:
        raise NSTError(
            f"the poster needs {job.paths.content} as it was, which is gone or has changed: put it back"
        )
    made, seed = saved.backend, saved.settings.seed
    devices = None
    if device is not None or ray is not None:
        devices = Devices(tuple((device or made["device"]).split(",")), ray, ray_workers)
    spec = weights or saved.weights["spec"] or job.paths.weights
    if weights is None:
        require_here(spec)
    first = made["device"] if devices is None else devices.first
    transfer = StyleTransfer.resume(
        saved,
        backend=partial(load_backend, made["name"], first, made["precision"]),
        weights=partial(find_network, spec, offline=offline, seed=seed, quiet=quiet),
        device=devices,
        anyway=anyway,
    )
    require_own(saved, job, places, sum(count for _, count in transfer.schedule))
    return finish(transfer, job, quiet, behind)
