"""Masks from maps of colors, drawn here."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nst.errors import SettingsError
from nst.pictures.kinds import from_any
from nst.pictures.masks import color_area, is_colored, make_masks


def flag(*colors, width=60, height=40):
    """Stripes from left to right."""
    values = np.zeros((height, width, 3), np.uint8)
    for number, color in enumerate(colors):
        values[:, number * width // len(colors) :] = color
    return Image.fromarray(values)


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(image):
    return from_any(image)[0]


@pytest.mark.parametrize("name", ["red", "#ff0000", "#f00", "crimson", "rgb(240, 10, 0)"])
def test_an_area_is_what_has_the_color(name):
    mask = color_area(picture(flag(RED, GREEN, BLUE)), name)
    assert np.array_equal(mask, np.repeat([[1, 0, 0]], 40, 0).repeat(20, 1))


def test_names_of_css_mean_the_colors_of_paintboxes():
    for name, column in (("green", 1), ("lime", 1), ("blue", 2), ("navy", 2)):
        mask = color_area(picture(flag(RED, GREEN, BLUE)), name)
        assert mask[:, 20 * column : 20 * column + 20].all()
        assert mask.sum() == 800


def test_soft_edges_and_jpeg_leave_no_seam(tmp_path):
    """Every pixel has one area, and the border is where it was drawn."""
    large = Image.new("RGB", (800, 800), RED)
    ImageDraw.Draw(large).ellipse((200, 200, 600, 600), fill=GREEN, outline=BLUE, width=60)
    image = large.resize((200, 200), Image.Resampling.LANCZOS)
    image.save(tmp_path / "map.jpg", quality=60)
    masks = [color_area(picture(tmp_path / "map.jpg"), name) for name in ("red", "green", "blue")]
    assert np.array_equal(sum(masks), np.ones((200, 200)))
    # radii of 35 and 50 pixels
    assert masks[1].sum() == pytest.approx(np.pi * 35**2, rel=0.03)
    assert masks[2].sum() == pytest.approx(np.pi * (50**2 - 35**2), rel=0.05)


def test_transparent_parts_have_no_area():
    image = flag(RED, GREEN).convert("RGBA")
    image.putalpha(
        Image.fromarray(np.where(np.arange(40)[:, None] < 10, 0, 255).repeat(60, 1).astype(np.uint8))
    )
    mask = color_area(picture(image), "red")
    assert not mask[:10].any()
    assert mask[10:, :30].all()
    assert not mask[:, 30:].any()


def test_what_is_no_color_or_is_not_there():
    with pytest.raises(SettingsError, match="'redd' is not a color"):
        color_area(picture(flag(RED, GREEN)), "redd")
    with pytest.raises(SettingsError, match=r"no white in the map; it has #ff0000 \(67%\), #00ff00 \(33%\)"):
        color_area(picture(flag(RED, RED, GREEN)), "white")
    hidden = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    with pytest.raises(SettingsError, match="it has no flat color at all"):
        color_area(picture(hidden), "red")


def test_black_and_white_are_colors_too():
    mask = color_area(picture(flag((0, 0, 0), RED, (255, 255, 255))), "black")
    assert np.array_equal(mask[0], np.repeat([1, 0, 0], 20))


def test_masks_by_color():
    image = flag(RED, GREEN, BLUE)
    masks = make_masks(
        {"style1": (image, "red"), "style2": (image, "green"), "protect": (image, "blue")}, 2, 0.0
    )
    parts = [*masks.regions, masks.protect]
    assert [part[0, 10::20].tolist() for part in parts] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_colored_map_without_a_color_is_refused():
    with pytest.raises(SettingsError, match=r"mask style1 is in colors: .* style1=map\.png:red"):
        make_masks({"style1": flag(RED, GREEN, BLUE)}, 1, 0.0)
    assert not is_colored(picture(flag((0, 0, 0), (128, 128, 128), (255, 255, 255))))
    assert not is_colored(picture(flag((90, 80, 70), (200, 190, 160))))  # a yellowed scan
    assert is_colored(picture(flag((0, 0, 0), RED)))
