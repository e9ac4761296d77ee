"""Reads what nst writes for itself as far as its commands do, up to the point where they would paint."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from nst.backends import get_backend
from nst.checkpoint import read_checkpoint
from nst.cli.batches import rows_of
from nst.cli.checkpoints import Places, before, changed_inputs, job_of, require_own
from nst.cli.like import absent, again, command_of, read_picture_settings, typed
from nst.cli.movies.frame_store import FrameStore
from nst.cli.web.queue import LargeJobs
from nst.cli.web.session import Store
from nst.description import Labels, settings_of
from nst.errors import NSTError
from nst.export.style import read_style
from nst.models.random import random_weights
from nst.pictures.picture import NO_TAGS, Picture
from nst.pictures.writing import read_settings, write_picture
from nst.transfer import StyleTransfer

NETWORK = random_weights(0, 1 / 16)
STEPS = 2
"""A checkpoint that is taken for one has to go on for so many."""


def read(path: Path) -> None:
    """Take a file for what its suffix says."""
    READERS[path.suffix](path)


def _checkpoint(path):
    saved = read_checkpoint(path)
    job = job_of(saved, str(path), Places())
    before(saved)
    changed_inputs(job)
    if saved.backend["name"] != "numpy":
        get_backend(saved.backend["name"])
        raise NSTError("another backend, which is there")
    if max(saved.arrays["content"]().shape, default=0) > 64:
        raise NSTError("too large to try")
    transfer = StyleTransfer.resume(saved, backend=get_backend("numpy"), weights=NETWORK, anyway=True)
    require_own(saved, job, Places(), sum(count for _, count in transfer.schedule))
    with np.errstate(over="ignore", invalid="ignore"):  # as commands do: losses that are not finite end a run
        for number, _ in enumerate(transfer.iterate()):
            if number == STEPS:
                return


def _picture(path):
    read_picture_settings(str(path))


def _metadata(path):
    """Put into a picture, so that what is mutated is the text and not the file around it."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("nst", path.read_bytes().decode("latin-1"))
    Image.new("RGB", (8, 8)).save(path.with_suffix(".png"), pnginfo=info)
    picture = str(path.with_suffix(".png"))
    settings_of(picture)
    document = read_picture_settings(picture)
    typed(document)
    command_of(document, picture, again(document, picture))
    absent(document, picture)
    Labels().of(document, NO_TAGS)
    read_settings(picture)


def _style(path):
    read_style(path, path)  # which is no graph, as is found once the style is one


def _state(path):
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    store = FrameStore(folder, {}, restart=True)
    write_picture(Picture(np.zeros((24, 32, 3), np.float32)), store.path(0))
    shutil.copy(path, folder / "nst-video-last.npz")
    assert store.raw(0).shape == (24, 32, 3)


def _manifest(path):
    from nst.batch.manifest import MANIFEST, Fingerprints, Manifest

    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / MANIFEST)
    with Manifest(folder) as manifest:
        for number in range(3):
            manifest.holds(f"{number}.png", "0" * 64, Fingerprints())


def _table(path):
    _pictures_beside(path)
    rows_of([str(path)], [], False, "{content}-{style}.png", {"weights": "auto", "backend": "auto"})


def _list(path):
    _pictures_beside(path)
    rows_of(
        [f"@{path}"], [f"@{path}"], False, "{content}-{style}.png", {"weights": "auto", "backend": "auto"}
    )


def _pictures_beside(path):
    for name in ("a.png", "b.png"):
        if not path.with_name(name).exists():
            Image.new("RGB", (8, 8)).save(path.with_name(name))


def _session(path):
    folder = path.with_suffix("") / "d058a376376941ee"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / "session.json")
    for session in Store(folder.parent):
        session.wanted  # noqa: B018
        session.remembered("x").started("start.png")


def _job(path):
    folder = path.with_suffix("") / "queue"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / "job.json")
    for _, job in LargeJobs(Store(folder.parent), None, None, print).of("d058a376376941ee"):
        assert job.order.size


READERS = {
    ".nst": _checkpoint,
    ".png": _picture,
    ".metadata": _metadata,
    ".safetensors": _style,
    ".npz": _state,
    ".jsonl": _manifest,
    ".csv": _table,
    ".txt": _list,
    ".session": _session,
    ".queue": _job,
}
