"""The ways from elsewhere that docs/web.md shows, each gone with a small proxy that does what the page says."""

import asyncio
import re
import shlex
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from nst.cli.commands.web import web
from nst.cli.web import serve
from tests.web.conftest import TOKEN, png, serving

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text()
SECTION = PAGE.partition("## From elsewhere")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(?:sh|text)\n(.*?)```", SECTION, re.DOTALL)


def block(word):
    """The one block of the page with a word."""
    (found,) = [text for text in BLOCKS if word in text]
    return found


@pytest.fixture
def access_of(monkeypatch):
    """access_of(line): what `nst web` makes of a line of the page."""

    def run(line):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(serve, "serve", lambda *arguments: seen.append(arguments[-1]))
            words = shlex.split(line.partition("nst web")[2])
            web.main(words, standalone_mode=False)
        return seen[0]

    return run


@contextmanager
def proxy(target, change=lambda head: head):
    """A port that hands on what comes, a connection a request where heads are changed."""
    ready, held = threading.Event(), {}

    async def pump(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def serve_one(reader, writer):
        head = change(await reader.readuntil(b"\r\n\r\n"))
        if head is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        else:
            theirs, ours = await asyncio.open_connection(*target)
            ours.write(head)
            up = asyncio.create_task(pump(reader, ours))
            await pump(theirs, writer)
            up.cancel()
            ours.close()
        writer.close()

    async def run():
        server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        held.update(
            loop=asyncio.get_running_loop(), port=server.sockets[0].getsockname()[1], end=asyncio.Event()
        )
        ready.set()
        await held["end"].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(60)
    try:
        yield held["port"]
    finally:
        held["loop"].call_soon_threadsafe(held["end"].set)
        thread.join(60)


def rewriting(location="/", uri=None, host=None, more=()):
    """What a proxy does to a head: None outside of a location; `uri` takes its place, `host` that of the browser's."""

    def change(head):
        line, *headers = head.decode("latin-1").split("\r\n")
        method, path, version = line.split(" ")
        if not path.startswith(location):
            return None
        path = path if uri is None else uri + path[len(location) :]
        if host is not None:
            headers = [f"Host: {host}" if line.lower().startswith("host:") else line for line in headers]
        headers = [line for line in headers if not line.lower().startswith("connection:")]
        lines = [f"{method} {path} {version}", "Connection: close", *more, *headers]
        return "\r\n".join(lines).encode("latin-1")

    return change


def work(port, address):
    """Do what a browser does that opens an address, by a proxy on a port: page, session, upload, events."""
    base = httpx.URL(address)
    origin = str(base.copy_with(path="/")).rstrip("/")
    headers = {"host": base.netloc.decode(), "sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}{base.path}", headers=headers, timeout=60) as client:
        page = client.get("")
        assert "nst studio" in page.text
        for path in re.findall(r'(?:href|src)="(static/[^"#]+)', page.text):
            assert client.get(path).status_code == 200
        assert client.post("sessions", headers={"origin": "https://evil.example"}).status_code == 403
        made = client.post("sessions", headers={"origin": origin})
        assert made.status_code == 201
        session = f"sessions/{made.json()['session']}"
        put = client.put(f"{session}/photo?name=me.png", content=png(1), headers={"origin": origin})
        assert put.status_code == 204
        with client.stream("GET", f"{session}/events") as stream:
            assert stream.headers["x-accel-buffering"] == "no"
            assert "me.png" in next(line for line in stream.iter_lines() if line.startswith("data"))
        other = client.get(f"http://127.0.0.1:{port}{base.path.replace(TOKEN, 'x' * 32)}about")
        assert other.status_code == 403
        assert (
            client.get(f"http://127.0.0.1:{port}{base.path.rstrip('/')}").next_request.url.path == base.path
        )


@pytest.mark.slow
def test_a_tunnel(tmp_path, monkeypatch):
    port = re.search(r"ssh -L (\d+):127\.0\.0\.1:8484 ", block("ssh"))[1]
    with serving(tmp_path / "studio", monkeypatch) as server, proxy(("127.0.0.1", server)) as tunnel:
        work(tunnel, f"http://localhost:{port}/{TOKEN}/")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is up on Linux without being asked")
def test_a_container(tmp_path, monkeypatch, access_of):
    """Docker hands connections on to another address of it than 127.0.0.1."""
    port = re.search(r"-p 127\.0\.0\.1:(\d+):8484 ", block("docker"))[1]
    access = access_of(block("docker").replace(" nst web", "; nst web"))
    with (
        serving(tmp_path / "studio", monkeypatch, access) as server,
        proxy(("127.0.0.2", server)) as published,
    ):
        work(published, f"http://localhost:{port}/{TOKEN}/")
    with (
        serving(tmp_path / "studio", monkeypatch) as server,
        proxy(("127.0.0.2", server)) as published,
        pytest.raises(httpx.HTTPError),  # as it is without --host
    ):
        work(published, f"http://localhost:{port}/{TOKEN}/")


@pytest.mark.parametrize("stripped", [False, True], ids=["as shown", "taken off"])
@pytest.mark.parametrize("kept", [True, False], ids=["as shown", "host of its own"])
def test_nginx(tmp_path, monkeypatch, access_of, stripped, kept):
    """As the page has it, and with what others write: `proxy_pass .../`, no `proxy_set_header Host`."""
    shown = block("proxy_pass")
    (location,) = re.findall(r"location (\S+) {", shown)
    assert "proxy_pass http://127.0.0.1:8484;" in shown  # without a path: it is handed on as it is
    assert "proxy_set_header Host $http_host;" in shown
    access = access_of(block("--base-path"))
    with serving(tmp_path / "studio", monkeypatch, access) as server:
        change = rewriting(location, "/" if stripped else None, None if kept else f"127.0.0.1:{server}")
        with proxy(("127.0.0.1", server), change) as port:
            work(port, f"https://home.example{location}{TOKEN}/")


def test_caddy(tmp_path, monkeypatch, access_of):
    """It leaves Host as it is, and adds headers that are not believed."""
    site, target = re.search(
        r"^(\S+) {\n\s+reverse_proxy (\S+)\n}", block("reverse_proxy"), re.MULTILINE
    ).groups()
    assert target == "127.0.0.1:8484"
    access = access_of(block(f"--allow-host {site}"))
    more = [f"X-Forwarded-Host: {site}", "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7"]
    with (
        serving(tmp_path / "studio", monkeypatch, access) as server,
        proxy(("127.0.0.1", server), rewriting(more=more)) as port,
    ):
        work(port, f"https://{site}/{TOKEN}/")


def test_behind_a_proxy_of_nobody(tmp_path, monkeypatch):
    """Without the options of the page a name of elsewhere opens nothing, and the reason says what would."""
    with (
        serving(tmp_path / "studio", monkeypatch) as server,
        proxy(("127.0.0.1", server), rewriting()) as port,
    ):
        answer = httpx.get(f"http://127.0.0.1:{port}/{TOKEN}/", headers={"host": "home.example"}, timeout=60)
    assert answer.status_code == 403
    assert "--allow-host" in answer.text
