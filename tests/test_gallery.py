"""docs/gallery.md is what its script writes, every picture is there, and small enough or large enough."""

import pytest
from PIL import Image

from nst.backends.numpy.backend import NumpyBackend
from nst.transfer import StyleTransfer


@pytest.fixture(scope="module")
def gallery(docs_script):
    return docs_script("make_gallery")


def test_the_page_is_made_by_the_script(gallery, root):
    assert (root / "docs" / "gallery.md").read_text() == gallery.page()


def test_every_picture_is_there(gallery):
    files = {path.stem: path for path in gallery.FOLDER.iterdir()}
    assert set(files) == {*gallery.PAINTINGS, *gallery.ENTRIES}
    assert sum(path.stat().st_size for path in files.values()) < 6e6
    for name, path in files.items():
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert max(image.size) >= (gallery.SIZE if name in gallery.PAINTINGS else 2 * gallery.SMALL)


def test_every_run_can_be_set_up(gallery, pictures, small_network):
    for name, entry in gallery.ENTRIES.items():
        styles = [pictures.style] * len(entry.styles)
        for run in entry.runs:
            options = {**run.settings, "size": 128, "steps": 1}
            transfer = StyleTransfer(
                pictures.content, styles, backend=NumpyBackend(), weights=small_network, **options
            )
            assert transfer.size == (128, 96), (name, run.label)


def test_a_sheet_is_made(gallery, monkeypatch, pictures, small_network):
    monkeypatch.setattr(gallery, "load_embedded", lambda: small_network)
    sheet = gallery.make(
        gallery.ENTRIES["regions"], lambda name: Image.open(pictures.content), 64, 1, "numpy"
    )
    assert sheet.width > 2 * 64
    assert sheet.height > 96 + 48
