"""Make the pictures of the studio: those in the package for `nst web`, and those of its page for the documentation.

    python docs/make_studio.py                     the door and the cards of the looks
    python docs/make_studio.py fine broad          these cards
    python docs/make_studio.py --page FOLDER       the page, of a session that is painted in FOLDER (further) first

Needs `nst[cli,torch,web,protect]`; the page also playwright and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

import nst
from nst.cli.web.recipe import FIRST_STEPS, LOOKS, Recipe
from nst.samples import SAMPLES, read_sample

STATIC = Path(__file__).parents[1] / "cli" / "web" / "static"
PICTURES = Path(__file__).with_name("pictures")
CARD = 240, 180

DOOR = PICTURES / "gallery" / "cat-starry-night.jpg"
"""The cat of the samples, painted."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(LOOKS), help="of looks")
    parser.add_argument("--page", metavar="FOLDER")
    parser.add_argument("--size", default="512", help="of the picture on the page")
    arguments = parser.parse_args()
    if arguments.page:
        pages(arguments.page, arguments.size)
        return
    save(Image.open(DOOR), STATIC / "hero.jpg", 80)
    looks(arguments.names)


def looks(names: list[str]) -> None:
    photo, painting = (
        Image.open(BytesIO(read_sample(SAMPLES[name].file))) for name in ("cat", "starry-night")
    )
    for name in names:
        arguments = Recipe(**LOOKS[name].sliders).arguments(1, 256)
        result = nst.stylize(photo, painting, steps=FIRST_STEPS, weights="embedded", **arguments)
        save(ImageOps.fit(result, CARD, Image.Resampling.LANCZOS), STATIC / "looks" / f"{name}.jpg", 82)


def pages(folder: str, size: str) -> None:
    """An astronaut in The Starry Night, her face kept: in the light; and in the dark, compared, beside a phone."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-u", "-m", "nst", "web", "--port", "0", "--folder", folder, "--size", size]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().split()[-1]
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            sessions = [path.parent.name for path in Path(folder).glob("*/session.json")]
            page = browser.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
            page.set_default_timeout(3_600_000)
            page.goto(f"{address}#{sessions[0]}" if sessions else address)
            page.wait_for_selector("#wall .tile", state="attached")
            if sessions:  # it is painted further
                page.wait_for_selector("#result[data-ready]")
                page.click("#stop[data-action=continue]")
                page.wait_for_selector("body[data-work=painting]")
            else:
                page.evaluate(GIVE_PHOTOGRAPH)
                page.wait_for_selector("#keep-faces:checked", state="attached")
                page.click("#try-starry-night")
            page.wait_for_selector("body[data-work=done]")
            page.wait_for_function("() => !document.querySelector('.look img[src^=static]')")
            save(shot(page), PICTURES / "studio.jpg", 85)
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            page.set_viewport_size({"width": 1034, "height": 800})
            page.click("#compare")
            wide = shot(page)
            page.click("#compare")
            page.set_viewport_size({"width": 390, "height": 800})
            sheet = Image.new("RGB", (1440, 800), "#383530")
            sheet.paste(wide, (0, 0))
            sheet.paste(shot(page), (1050, 0))
            save(sheet, PICTURES / "studio-dark.jpg", 85)
    finally:
        server.terminate()
        server.wait()


GIVE_PHOTOGRAPH = """async () => {
    const data = new DataTransfer();
    const blob = await (await fetch("samples/astronaut")).blob();
    data.items.add(new File([blob], "portrait.jpg", { type: blob.type }));
    dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
}"""


def shot(page: Any) -> Image.Image:
    page.wait_for_selector("#result[data-ready]")
    page.wait_for_timeout(1500)
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def save(image: Image.Image, path: Path, quality: int) -> None:
    path.parent.mkdir(exist_ok=True)
    image.save(path, quality=quality, optimize=True)
    print(path, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
