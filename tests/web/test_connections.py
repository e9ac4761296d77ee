"""How long a connection is waited for, and how many there may be; with the server itself on a port."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from nst.cli.web import guard
from nst.cli.web.guard import HEADERS
from tests.web.conftest import TOKEN, png, serving

PATIENCE = 2.0


@pytest.fixture
def port(tmp_path, monkeypatch):
    """Of a server with little patience."""
    monkeypatch.setattr(guard, "PATIENCE", PATIENCE)
    with serving(tmp_path / "studio", monkeypatch) as port:
        yield port


def connect(port, said=b""):
    held = socket.create_connection(("127.0.0.1", port), 60)
    held.sendall(said)
    return held


def crowd(port, count, said=b""):
    """So many connections that stay; with an answer now and then, or the kernel makes them wait for a second."""
    held = []
    for number in range(count):
        held.append(connect(port, said))
        if number % 25 == 0:
            assert ask(port, "about").status_code == 200
    return held


def ended(held, trickle=b""):
    """Seconds until the server ends a connection, to which a byte is sent now and then; at most 30."""
    began = time.monotonic()
    held.settimeout(0.2)
    while time.monotonic() - began < 30:
        try:
            if trickle:
                held.sendall(trickle)
            if not held.recv(1000):
                break
        except TimeoutError:
            continue
        except OSError:  # reset
            break
    return time.monotonic() - began


def ask(port, path, **options):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/{TOKEN}/", timeout=60, verify=False) as client:
        return client.request(options.pop("method", "GET"), path, **options)


HALF = (
    f"PUT /{TOKEN}/sessions/0/photo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n".encode()
)


def all_ended(port, requests):
    """`ended` of each request, silent and slow, all at once."""
    waits = [(connect(port, said), trickle) for said in requests for trickle in (b"", b"x")]
    with ThreadPoolExecutor(len(waits)) as pool:
        return list(pool.map(ended, *zip(*waits, strict=True)))


@pytest.mark.slow
def test_a_request_that_does_not_come_is_not_waited_for(port):
    nothing, line, headers = b"", b"GET /", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half"
    session = ask(port, "sessions", method="POST").json()["session"]
    body = HALF.replace(b"sessions/0", f"sessions/{session}".encode())
    seconds = all_ended(port, [nothing, line, headers, body])
    assert all(PATIENCE / 2 < each < 25 for each in seconds), seconds
    assert ask(port, f"sessions/{session}").json()["subject"]["photo"] is None


@pytest.mark.slow
def test_a_body_that_is_refused_is_not_waited_for_either(port):
    """Its end does not come: without the token it is over at once, with it after a while."""
    assert ended(connect(port, HALF.replace(TOKEN.encode(), b"x")), b"x") < 25
    assert ended(connect(port, HALF), b"x") < 25


@pytest.mark.slow
def test_a_slow_upload_that_goes_on_is_waited_for(port):
    session = ask(port, "sessions", method="POST").json()["session"]
    data = png(1, 80, 60)
    assert len(data) > 4 * 2048  # at so many bytes a second it would be too slow

    def pieces():
        for at in range(0, len(data), len(data) // 9 + 1):
            time.sleep(PATIENCE / 6)
            yield data[at : at + len(data) // 9 + 1]

    answer = ask(port, f"sessions/{session}/photo", method="PUT", content=pieces())
    assert answer.status_code == 204


@pytest.mark.slow
def test_a_stream_of_events_stays(port):
    session = ask(port, "sessions", method="POST").json()["session"]
    head = f"GET /{TOKEN}/sessions/{session}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    held = connect(port, head.encode())
    time.sleep(2 * PATIENCE)
    first = b""
    while b"curve" not in first:
        first += held.recv(1 << 16)
    assert b"x-accel-buffering: no" in first
    ask(port, f"sessions/{session}/photo?sample=cat", method="PUT")
    held.settimeout(60)
    later = b""
    while b"event: state" not in later:  # which a line that nothing has happened may come before
        later += held.recv(1 << 16)


@pytest.mark.parametrize("said", [b"", b"GET /about HTTP/1.1\r\nHost: x\r\nX-Half"], ids=["idle", "half"])
def test_strangers_keep_nobody_out(tmp_path, monkeypatch, said):
    """Three hundred connections that stay, with patience without end."""
    monkeypatch.setattr(guard, "PATIENCE", 10.0**6)
    with serving(tmp_path / "studio", monkeypatch) as port:
        held = crowd(port, 300, said)
        assert [ask(port, "about").status_code for _ in range(20)] == [200] * 20
        for other in held:
            other.close()


def answer_to(port, said):
    with connect(port, said) as held:
        answer = b""
        while piece := held.recv(1 << 16):
            answer += piece
    head, _, _ = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.lower().split(": ", 1) for line in lines)


def test_answers_that_the_application_never_sees_have_its_headers(port, monkeypatch):
    status, headers = answer_to(port, b"no HTTP at all\r\n\r\n")
    assert status == "HTTP/1.1 400 Bad Request"
    assert HEADERS.items() <= headers.items()
    monkeypatch.setattr(guard, "MOST_KNOWN", -guard.MOST_STRANGERS)  # one is too many
    status, headers = answer_to(port, f"GET /{TOKEN}/about HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert HEADERS.items() <= headers.items()
    assert headers["connection"] == "close"


@pytest.mark.slow
def test_those_with_the_token_are_counted_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "PATIENCE", 10.0**6)
    with serving(tmp_path / "studio", monkeypatch) as port:
        session = ask(port, "sessions", method="POST").json()["session"]
        head = f"GET /{TOKEN}/sessions/{session}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        streams = [connect(port, head.encode()) for _ in range(30)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        strangers = crowd(port, 150)
        ask(port, f"sessions/{session}/photo?sample=cat", method="PUT")
        for stream in streams:  # they have not been closed for the strangers
            seen = b""
            while b"view-1.jpg" not in seen:
                piece = stream.recv(1 << 16)
                assert piece
                seen += piece
        for other in (*streams, *strangers):
            other.close()
