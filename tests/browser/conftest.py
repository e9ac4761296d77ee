"""A real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil

import pytest


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium; skipped without one, failed if NST_REQUIRE_BROWSER is set.

    Of a module and not of the session: Playwright's event loop runs in this thread for as long as it lives.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        required = os.environ.get("NST_REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)("there is no chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """An empty page in a session of its own; an error in its scripts fails the test."""
    context = chromium.new_context()
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors
