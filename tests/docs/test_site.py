"""`make docs`: no warning, every link of the written pages leads somewhere, nothing is asked of another server."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

import nst
from nst.cli.main import COMMANDS

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors.add(found.get("id"))
        self.links += [(tag, found[name]) for name in ("href", "src") if found.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory, root, need_mkdocs):
    """The folder of the site, and its pages by path."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=root, env=need_mkdocs, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = {path.resolve(): Page(path.read_text()) for path in folder.rglob("*.html")}
    return folder, pages


@pytest.fixture(scope="module")
def need_mkdocs(root):
    """The environment of a build."""
    pytest.importorskip("mkdocs")
    return {**os.environ, "PYTHONPATH": str(root), "NO_MKDOCS_2_WARNING": "1", "NST_OFFLINE": "1"}


def test_every_link_leads_somewhere(site):
    folder, pages = site
    lost = []
    for path, page in pages.items():
        for _, link in page.links if path.name != "404.html" else ():
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = not anchor or target not in pages or anchor.startswith("__")
            if not target.is_file() or not (known or anchor in pages[target].anchors):
                lost.append((str(path.relative_to(folder)), link))
    assert lost == []


def test_nothing_is_fetched_when_a_page_is_opened(site):
    folder, pages = site
    fetched = [
        link
        for path, page in pages.items()
        for tag, link in page.links
        if tag != "a" and path.name != "404.html" and urlsplit(link).scheme not in ("", "data")
    ]
    assert fetched == []
    assert not [path for path in folder.rglob("*.css") if "url(http" in path.read_text().replace('"', "")]


def test_the_search_has_what_it_needs_without_a_server(site):
    folder, pages = site
    assert ("script", "iframe-worker.js") in pages[(folder / "index.html").resolve()].links
    assert (folder / "search" / "search_index.js").is_file()


def test_the_reference_has_every_public_name_and_every_command(site):
    folder, pages = site
    anchors = {anchor for page in pages.values() for anchor in page.anchors if anchor}
    written = {name for name in nst.__all__ if name != "__version__"}
    documented = {anchor.rsplit(".", 1)[-1] for anchor in anchors if anchor.startswith("nst.")}
    assert written - documented == set()
    for name in COMMANDS:
        assert (folder / "commands" / f"{name}.html").is_file()
    page = (folder / "commands" / "stylize.html").read_text()
    assert page.index("<strong>Most used</strong>") < page.index("<strong>Start</strong>")
    assert "--style-strength" in page
    assert "Step size of Adam" in (folder / "api" / "settings.html").read_text()
