"""How values show themselves in a console and in a notebook: short, and with the picture where there is one."""

import io
import re
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from nst.errors import ReprHtml
from nst.pictures.picture import Picture
from nst.pictures.writing import with_caption
from nst.planning.plan import Plan


@pytest.fixture(scope="module")
def records(small_transfer):
    return list(small_transfer.iterate())


@pytest.fixture(scope="module")
def result(small_transfer):
    return small_transfer.paint()


def opened(png):
    return Image.open(io.BytesIO(png))


def test_a_transfer(small_transfer):
    told = repr(small_transfer)
    assert told.startswith(
        "StyleTransfer(size 32x24, scales and steps 23 px x 2, 32 px x 3, backend numpy on cpu, network random-0, "
    )
    assert len(told) < 250
    html = small_transfer._repr_html_()
    assert "<td" in html
    assert ">32x24</td>" in html
    assert len(html) < 2000


def test_a_plan():
    plan = Plan(512, 5, True, 2_340_000_000, 10**8, 4_000_000_000)
    assert repr(plan) == (
        "Plan(windows of 512 px, history of 5 pairs in float16, memory 2.34 GB of 4.00 GB that are free)"
    )
    small = Plan(None, 10, False, 3_900_000_000, 10**8, 4_000_000_000)
    assert repr(small) == (
        "Plan(windows none, history of 10 pairs, memory 3.90 GB of 4.00 GB that are free: it may not fit)"
    )
    assert repr(Plan(None, 10, False, 3_900_000_000, 10**8)) == (
        "Plan(windows none, history of 10 pairs, memory 3.90 GB)"
    )


def test_a_record_and_its_losses(records):
    """One record was 35,000 characters."""
    record = records[3]
    told = repr(record)
    assert re.fullmatch(r"Progress\(step 3 of 5, scale 2 of 2, 32x24, \d+\.\d s\)", told)
    losses = record.losses()
    assert repr(losses) == (
        f"Losses(total {losses.total:.4g}, content {losses.terms['content']:.4g}, style {losses.terms['style']:.4g})"
    )
    assert f">{losses.total:.4g}</td>" in losses._repr_html_()


def test_a_result(result):
    losses = result.losses.total
    seconds = f"{result.seconds:.1f}"
    assert repr(result) == (
        f"Result(32x24, 5 of 5 steps in {seconds} s, loss {losses[0]:.4g} -> {losses[-1]:.4g}, numpy on cpu, random-0)"
    )


def test_a_result_that_was_ended(small_transfer):
    result = small_transfer.paint(deadline=0)
    assert re.match(r"Result\(32x24, 0 of 5 steps in \d+\.\d s, deadline, numpy", repr(result))
    assert opened(result._repr_png_()).width >= 32


@pytest.mark.parametrize("shown", ["record", "result"])
def test_the_picture_is_shown_with_words_below_it(shown, records, result):
    value = records[3] if shown == "record" else result
    picture = value.picture() if shown == "record" else value.picture
    image = opened(value._repr_png_())
    pixels = np.asarray(image)
    assert np.array_equal(pixels[:24, :32], np.rint(picture.rgb * 255).astype(np.uint8))
    below = pixels[24:]
    assert (below == 255).all(-1).mean() > 0.7  # white
    assert (below < 100).all(-1).mean() > 0.01  # with letters
    assert not hasattr(value, "_repr_html_")  # which notebooks would show in its place


def test_large_and_transparent_pictures():
    large = Picture(np.full((300, 1280, 3), 0.5, np.float32), np.full((300, 1280), 0.25, np.float32))
    image = opened(with_caption(large, "words"))
    assert (image.mode, image.width) == ("RGBA", 640)
    assert image.getpixel((100, 75)) == pytest.approx((127.5, 127.5, 127.5, 64), abs=1)
    assert image.getpixel((639, image.height - 1)) == (255, 255, 255, 255)
    assert 150 < image.height < 190


def test_a_picture_is_told_by_its_size():
    assert repr(Picture(np.zeros((3, 5, 3), np.float32))) == "Picture(5x3)"
    assert repr(Picture(np.zeros((3, 5, 3), np.float32), np.ones((3, 5)))) == "Picture(5x3 with alpha)"


def test_html_is_escaped():
    @dataclass(frozen=True, repr=False)
    class Odd(ReprHtml):
        def _repr_rows(self):
            return {"<name>": "a & b"}

    assert "<th" in Odd()._repr_html_()
    assert "&lt;name&gt;" in Odd()._repr_html_()
    assert "a &amp; b" in Odd()._repr_html_()
    assert repr(Odd()) == "Odd(<name> a & b)"
