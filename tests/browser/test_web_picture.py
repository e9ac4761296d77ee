"""What is done with a picture in the studio: kept, mixed, looked at closely, filmed; in Chromium."""

import json
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import (
    PATIENCE,
    SIZE,
    ask,
    enter,
    next_run,
    slide,
    state,
    upload,
    wait_for,
    wait_until,
)

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

pytestmark = pytest.mark.slow


def kept(page, button, menu=False):
    """What a button gives to keep: (name, picture)."""
    if menu:
        page.click("#more summary")
    with page.expect_download() as saved:
        page.click(button)
    return saved.value.suggested_filename, Image.open(saved.value.path())


def test_three_clicks_to_a_picture_of_ones_own(page, server, files):
    """A photograph, a painting, download; and what is seen is what is kept, before it is finished too."""
    page.emulate_media(reduced_motion="no-preference")
    page.set_default_timeout(PATIENCE)
    page.goto(server.address)
    upload(page, "#door-photo", files.photo)
    page.click("#try-starry-night")
    page.wait_for_selector("#result[data-ready]")
    name, picture = kept(page, "#download")
    assert name.startswith("me-painted-")
    assert picture.size == (SIZE, 48)
    photo = np.asarray(Image.open(files.photo).resize(picture.size), float)
    assert np.abs(np.asarray(picture.convert("RGB"), float) - photo).mean() > 1


def test_opacity_needs_no_step_and_is_kept(finished, files):
    run = state(finished)["work"]["run"]
    painted = np.asarray(kept(finished, "#download")[1].convert("RGB"), float)
    slide(finished, "opacity", 0)
    photo = np.asarray(kept(finished, "#download")[1].convert("RGB"), float)
    slide(finished, "opacity", 0.5)
    mixed = np.asarray(kept(finished, "#download")[1].convert("RGB"), float)
    np.testing.assert_allclose(mixed, (painted + photo) / 2, atol=1.5)
    original = np.asarray(Image.open(files.photo).resize((SIZE, 48)), float)
    assert np.abs(photo - original).mean() < 0.3 * np.abs(painted - original).mean()
    assert state(finished)["work"]["run"] == run
    name, picture = kept(finished, "#save-jpeg", menu=True)
    assert (name, picture.format) == (f"me-painted-{run}.jpg", "JPEG")


def test_a_picture_is_copied_to_the_clipboard(finished):
    finished.context.grant_permissions(["clipboard-read", "clipboard-write"])
    finished.bring_to_front()
    finished.click("#more summary")
    finished.click("#copy-picture")
    found = """async () => {
        for (let time = 0; time < 300; time++) {  // it is copied a moment later, and reading may be refused meanwhile
            try {
                const [item] = await navigator.clipboard.read();
                const picture = await createImageBitmap(await item.getType("image/png"));
                return [picture.width, picture.height];
            } catch { await new Promise((resolve) => { setTimeout(resolve, 100); }); }
        }
    }"""
    assert finished.evaluate(found) == [SIZE, 48]


def test_a_film_of_the_run(finished):
    studio = finished
    assert studio.is_hidden("#save-film")  # this page has not seen it
    run = state(studio)["work"]["run"]
    studio.evaluate(
        """async () => {
            const { keepFrame } = await import('./static/keep.js');
            const picture = document.querySelector('.look img').src;
            for (let time = 0; time < 3; time++) keepFrame({run: Number(document.body.dataset.run), picture});
        }"""
    )
    studio.click("#more summary")
    with studio.expect_download() as saved:
        studio.click("#save-film")
    name, data = saved.value.suggested_filename, saved.value.path().read_bytes()
    assert name in (f"me-painted-{run}.webm", f"me-painted-{run}.mp4")
    assert data[:4] == b"\x1a\x45\xdf\xa3" or data[4:8] == b"ftyp"
    assert len(data) > 1000


def test_holding_shows_the_photograph_and_keys_come_closer(finished):
    frame = (
        "frame => [frame.classList.contains('peeking'), Number(frame.style.getPropertyValue('--zoom') || 1)]"
    )

    def now():
        return finished.eval_on_selector("#frame", frame)

    finished.keyboard.down("p")
    assert (
        finished.eval_on_selector(".studio .paint", "paint => getComputedStyle(paint).visibility") == "hidden"
    )
    finished.keyboard.up("p")
    box = finished.locator("#frame").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finished.mouse.move(*middle)
    finished.mouse.down()
    finished.wait_for_selector("#frame.peeking")
    finished.mouse.up()
    assert now() == [False, 1]
    finished.mouse.wheel(0, -640)
    finished.wait_for_function(
        "() => Number(document.getElementById('frame').style.getPropertyValue('--zoom')) > 3"
    )
    zoomed = finished.locator("#result").bounding_box()
    assert zoomed["width"] == pytest.approx(4 * box["width"], rel=0.01)
    assert zoomed["x"] + zoomed["width"] / 2 == pytest.approx(
        middle[0], abs=2
    )  # what is under the mouse stays there
    finished.keyboard.press("0")
    assert now() == [False, 1]
    finished.keyboard.press("?")
    assert "redo" in finished.inner_text("#keys-dialog")


def test_two_fingers_zoom_the_picture_and_not_the_page(chromium, server, session):
    size = {"width": 390, "height": 844}
    with closing(chromium.new_context(viewport=size, has_touch=True, is_mobile=True)) as context:
        page = enter(context.new_page(), server, session)
        page.wait_for_selector("#result[data-ready]")
        box = page.locator("#frame").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        screen = context.new_cdp_session(page)

        def fingers(kind, *places):
            points = [{"x": x + place, "y": y, "id": number} for number, place in enumerate(places)]
            screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fingers("touchStart", -20, 20)
        for apart in range(25, 65, 5):
            fingers("touchMove", -apart, apart)
        fingers("touchEnd")
        zoomed = page.locator("#result").bounding_box()
        assert zoomed["width"] == pytest.approx(3 * box["width"], rel=0.01)
        assert zoomed["x"] + zoomed["width"] / 2 == pytest.approx(x, abs=0.5)
        assert page.evaluate("visualViewport.scale") == 1


def test_faces_are_kept_by_a_switch(page, server):
    pytest.importorskip("skimage")
    pytest.importorskip("cv2")
    name = json.loads(ask(server, "POST", "sessions", b""))["session"]
    ask(server, "PUT", f"sessions/{name}/photo?sample=astronaut", b"")
    ask(server, "POST", f"sessions/{name}/styles?sample=udnie", b"")
    enter(page, server, name)
    page.wait_for_selector("#keep-faces:checked")
    page.click("#faces")
    wait_until(page, "!('protect' in s.subject.masks)")
    assert not page.is_checked("#keep-faces")
    page.click("#faces")
    wait_until(page, "'protect' in s.subject.masks")


def test_the_history_says_what_a_picture_is_and_keeps_stars(studio):
    wait_for(studio, "done")
    run = state(studio)["work"]["run"]
    assert studio.inner_text("#strip button") == "Classic"
    slide(studio, "detail", 0.9)
    next_run(studio, run)
    assert studio.locator("#strip button").all_inner_texts() == ["Detail 90 %", "Classic"]
    studio.click("#strip button >> nth=1")
    studio.click("#star")
    studio.wait_for_function("() => document.querySelector('#strip').innerText.includes('★ Classic')")
    studio.click("#strip button >> nth=1")
    studio.click("#delete")
    wait_until(studio, "s.history.length === 1")


def test_a_picture_that_was_made_here_brings_back_what_it_was_made_of(studio, tmp_path):
    wait_for(studio, "done")
    session, run = studio.url.split("#")[1], state(studio)["work"]["run"]
    with studio.expect_download() as saved:
        studio.click("#download")
    saved.value.save_as(tmp_path / "kept.png")
    slide(studio, "strength", 0.9)
    next_run(studio, run)
    studio.click("#fresh")
    studio.wait_for_selector("body[data-state=welcome]")
    upload(studio, "#door-photo", tmp_path / "kept.png")
    studio.wait_for_selector(f"body[data-run='{run}'][data-state=studio]")
    assert studio.url.split("#")[1] == session
    assert state(studio)["subject"]["recipe"]["strength"] == 0.5
    wrong = studio.evaluate(
        "async (data) => (await fetch('find?sessions=', {method: 'POST', body: data})).json()", "x"
    )
    assert wrong == {}


STATES = {
    "comparing": ("compare", "comparing"),
    "with the brush": ("brush", "brushing"),
    "a closer look": ("actual", "near"),
    "ways to keep it": ("more", "more"),
    "keys": ("keys", "keys-dialog"),
    "a picture of the history": ("strip", "entry-dialog"),
    "make it large": ("large", "large-dialog"),
    "another painting": ("add-style", "samples-dialog"),
}
"""What is clicked, and the class of the frame or the one element that is open then, by the state that it leads to."""

SCREENS = [(1440, 900, "light"), (390, 844, "dark")]

CLICK = "node => (node.querySelector(':scope summary, :scope li button') ?? node).click()"

OPEN = """() => ["comparing", "brushing", "near"].filter((mode) => document.querySelector(`#frame.${mode}`))
    .concat([...document.querySelectorAll("dialog[open], #more[open]")].map(({ id }) => id))"""


def test_nothing_is_in_the_way_of_anybody(page, server, session):
    """axe-core finds nothing in any state (WCAG 2.2 and its best practices), and nothing scrolls sideways."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = {}

    def look(name):
        for width, height, scheme in SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            answer = axe.run(page).response["violations"]
            found[name, scheme] = [(each["id"], each["nodes"][0]["html"][:120]) for each in answer]
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found[name, scheme].append(("it scrolls sideways", ""))

    page.set_default_timeout(PATIENCE)
    page.goto(server.address)
    page.wait_for_selector("#wall .tile")
    look("welcome")
    name = json.loads(ask(server, "POST", "sessions", b""))["session"]
    ask(server, "PUT", f"sessions/{name}/photo?sample=cat", b"")
    page.goto(f"{server.address}#{name}")
    page.wait_for_selector("#hero.plain")
    look("a photograph")
    enter(page, server, session)
    wait_for(page, "done")
    page.wait_for_selector("#result[data-ready]")
    assert page.evaluate(OPEN) == []
    look("finished")
    for state_name, (button, opened) in STATES.items():
        page.eval_on_selector(f"#{button}", CLICK)
        assert page.evaluate(OPEN) == [opened]  # by itself
        look(state_name)
        if opened.endswith("dialog"):
            page.eval_on_selector(f"#{opened}", "dialog => dialog.close()")
        else:
            page.eval_on_selector(f"#{button}", CLICK)
    assert {name: what for name, what in found.items() if what} == {}
