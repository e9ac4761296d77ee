"""`nst recolor`: the same picture as a run with those colours, but for eight bits on the way."""

import numpy as np
import pytest
from PIL import Image

import nst
from nst.errors import SettingsError
from nst.pictures.color import Color
from nst.pictures.writing import read_settings


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("color", "most"),
    [
        ("lab", 2),
        ("yuv", 2),
        ("palette", 3),
        ("histogram", 8),
        ("match-chol", 3),
        ("match-pca", 3),
        ("match-sym", 3),
    ],
)
def test_the_same_as_a_run_with_these_colours(stylize, command, color, most):
    """A histogram has steps, which a level of rounding may cross."""
    assert stylize("--init", "noise", "--metadata", "all", output="none.png").status == 0
    noise = ["--init", "noise", "--color-strength", 0.7]
    assert stylize(*noise, "--color", color, "--color-when", "after", output="run.png").status == 0
    made = command("recolor", "none.png", "--color", color, "--color-strength", 0.7, "-o", "again.png")
    assert (made.status, made.stderr) == (0, "")
    assert made.stdout == f"again.png: 32x24, colours by {color}\n"
    assert np.abs(pixels("again.png") - pixels("run.png")).max() <= most
    assert np.abs(pixels("again.png") - pixels("none.png")).mean() > 5
    again, run = (read_settings(name)["settings"] for name in ("again.png", "run.png"))
    assert again == run


def test_a_picture_of_another_program(command, pictures):
    plain = command("recolor", pictures.style, "--content", pictures.content, "-o", "a.png")
    assert (plain.status, plain.stderr) == (0, "")
    missing = command("recolor", pictures.style, "-o", "a.png")
    assert missing.status == 2
    assert missing.stderr.endswith("does not say which photograph it was painted from: give --content\n")
    assert command("recolor", "nowhere.png", "-o", "a.png").status == 2


def test_a_photograph_that_is_elsewhere(stylize, command, pictures):
    """A picture has its mere name."""
    assert stylize("--steps", 0, output="none.png").status == 0
    missing = command("recolor", "none.png", "-o", "a.png")
    assert (missing.status, missing.stderr.count("\n")) == (2, 1)
    assert "content.png, from which none.png was painted, is neither here nor beside it" in missing.stderr
    assert command("recolor", "none.png", "--content", pictures.content, "-o", "a.png").status == 0


def test_colours_on_colours_cost_a_line(stylize, command):
    assert stylize("--color", "yuv", "--metadata", "all", output="yuv.png").status == 0
    twice = command("recolor", "yuv.png", "--color", "histogram", "-o", "b.png")
    assert twice.stderr == "nst: yuv.png has been painted with --color yuv: its colours were changed twice\n"
    assert command("show", "b.png").stdout.startswith("nst recolor yuv.png -o b-again.png --color histogram ")


def test_a_protected_part_stays(stylize, command, pictures):
    mask = np.zeros((24, 32), np.uint8)
    mask[6:18, 8:24] = 255
    Image.fromarray(mask).save("mask.png")
    assert (
        stylize("--protect", "mask.png", "--init", "noise", "--metadata", "all", output="none.png").status
        == 0
    )
    assert command("recolor", "none.png", "--color", "match-chol", "-o", "c.png").status == 0
    inner = slice(10, 14), slice(12, 20)
    assert np.abs(pixels("c.png") - pixels(pictures.content))[inner].max() <= 1


@pytest.mark.slow
def test_a_record_in_other_colours(pictures, small_network):
    options = {"weights": small_network, "backend": "numpy", "steps": 1, "scales": 1}
    *_, plain = nst.StyleTransfer(pictures.content, pictures.style, **options).iterate()
    *_, lab = nst.StyleTransfer(pictures.content, pictures.style, color="lab", **options).iterate()
    same = plain.colored(Color("lab"))
    np.testing.assert_array_equal(same.picture().rgb, lab.picture().rgb)
    assert same.settings == lab.settings
    np.testing.assert_array_equal(lab.colored(Color()).picture().rgb, plain.picture().rgb)
    with pytest.raises(SettingsError, match="color luminance changes what is optimised"):
        plain.colored(Color("luminance"))
