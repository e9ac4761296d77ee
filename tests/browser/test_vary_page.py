"""The page of `nst vary` in a browser: slider, choices, keyboard, nothing from elsewhere."""

import numpy as np
import pytest
from PIL import Image

from nst.cli.experiments.grid import Cell, Grid
from nst.cli.experiments.runs import Done
from nst.cli.experiments.variations import write_page

pytestmark = pytest.mark.slow

COLORS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def path(tmp_path):
    """A page of one column with a red, a green and a blue variation of a white photograph."""
    done = []
    for row, (name, color) in enumerate(COLORS.items()):
        Image.new("RGB", (200, 100), color).save(tmp_path / f"{name}.png")
        done.append(Done(Cell(row, 0, f"{name} <&>", {}), tmp_path / f"{name}.png", {}, None))
    table = Grid(tuple(COLORS), ("one",), tuple(one.cell for one in done))
    inputs = {"white.jpg": Image.new("RGB", (300, 150), "white"), "style.jpg": Image.new("RGB", (50, 50))}
    commands = [f"nst stylize {name}" for name in COLORS]
    (tmp_path / "vary.html").write_text(write_page("a & b", table, done, inputs, commands))
    return tmp_path / "vary.html"


def seen(page):
    """Colours in the stage, a quarter from the left and a quarter from the right."""
    page.locator("#cut").evaluate("element => element.blur()")
    page.locator(".stage").screenshot(path="stage.png")
    pixels = np.asarray(Image.open("stage.png").convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    assert width == pytest.approx(2 * height, abs=3)
    return [tuple((pixels[height // 2, x] > 128) * 255) for x in (width // 4, width - width // 4)]


def test_the_slider(page, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    white = (255, 255, 255)
    assert seen(page) == [white, COLORS["red"]]  # the photograph against the first
    page.get_by_role("button", name="Right: blue <&>").click()
    assert seen(page) == [white, COLORS["blue"]]
    page.locator("#choose-left").select_option(label="lime <&>")
    assert seen(page) == [COLORS["lime"], COLORS["blue"]]
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert seen(page) == [COLORS["lime"], COLORS["lime"]]
    slider.focus()
    page.keyboard.press("Home")
    assert seen(page) == [COLORS["blue"], COLORS["blue"]]
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "40"
    assert seen(page) == [COLORS["lime"], COLORS["blue"]]
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 50)
    page.mouse.up()
    assert int(slider.input_value()) > 80
    assert seen(page) == [COLORS["lime"], COLORS["lime"]]
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert page.locator("pre").all_text_contents() == [f"nst stylize {name}" for name in COLORS]
