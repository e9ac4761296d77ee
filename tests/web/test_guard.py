"""Nobody comes in but the page with the token, of this host, from this origin."""

from ipaddress import ip_network

import pytest
from starlette.websockets import WebSocketDisconnect

from nst.cli.web.guard import Access
from tests.web.conftest import ORIGIN, PORT, TOKEN, document, open_studio


def test_the_page_and_its_files_are_served(place):
    page = place.client.get("")
    assert page.status_code == 200
    assert "<title>nst studio</title>" in page.text
    assert place.client.get("static/main.js").headers["content-type"].startswith("text/javascript")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "font-src 'self'" in policy  # the serif that comes along
    assert page.headers["referrer-policy"] == "no-referrer"  # else the token leaves with a link


@pytest.mark.parametrize(
    "path",
    ["/", "/about", f"/{TOKEN}x", f"/{TOKEN}x/about", f"/{TOKEN[:-1]}/about", "//about", f"/ä{TOKEN}/"],
)
def test_a_wrong_token_is_refused(place, path):
    answer = place.client.get(f"{ORIGIN}{path}")
    assert answer.status_code == 403
    assert "token" in answer.text
    policy = place.client.get("").headers["content-security-policy"]
    assert answer.headers["content-security-policy"] == policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_redirect_keeps_the_token(place):
    """Relative, since a proxy may have put something in front; where there is none, there is no redirect."""
    answer = place.client.get(f"{ORIGIN}/{TOKEN}")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{TOKEN}/"
    assert place.client.get("about/").status_code == 404
    assert place.client.get("static").status_code == 404


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1.evil.example",
        "evil@127.0.0.1",
        "127.0.0.1:8484:1",
        "10.0.0.1",
        "",
    ],
)
def test_another_host_is_refused(place, host):
    """A name that its owner points to 127.0.0.1."""
    assert place.client.get("about", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", [f"localhost:{PORT}", "localhost:9000", "127.0.0.1:9000", "[::1]:9000"])
def test_this_machine_by_any_port(place, host):
    """That of a tunnel or a container; a page of another port of this machine stays another page."""
    own, other = {"host": host, "origin": f"http://{host}"}, {"host": host, "origin": "http://127.0.0.1:9001"}
    assert place.client.post("sessions", headers=own).status_code == 201
    assert place.client.post("sessions", headers=other).status_code == 403


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("home.example", "https://home.example", 201),  # a proxy that leaves the host as it is
        (f"127.0.0.1:{PORT}", "https://home.example", 201),  # one that puts its own in its place
        ("paint.example:8443", "https://paint.example:8443", 201),
        ("paint.example", "https://paint.example:8443", 201),  # one that leaves the port out
        ("home.example", "https://home.example:9", 403),
        ("home.example", "https://evil.example", 403),
        ("evil.example", "https://home.example", 403),
        ("x.home.example", "https://home.example", 403),
        ("home.example", "null", 403),
    ],
)
def test_names_that_are_allowed(tmp_path, host, origin, status):
    place = open_studio(tmp_path / "studio", access=Access(names=("home.example", "paint.example:8443")))
    assert place.client.post("sessions", headers={"host": host, "origin": origin}).status_code == status
    assert place.client.get(f"{ORIGIN}/about", headers={"host": host}).status_code == 403  # without the token


@pytest.mark.parametrize(
    ("proxies", "status"), [((), 403), (("10.0.0.0/8",), 403), (("192.168.7.0/24",), 201)]
)
def test_forwarded_headers_are_believed_of_a_proxy_that_was_named(tmp_path, proxies, status):
    access = Access(names=("home.example",), proxies=tuple(map(ip_network, proxies)))
    place = open_studio(tmp_path / "studio", access=access)
    place.client._transport.client = ("192.168.7.3", 50000)
    told = {
        "x-forwarded-host": "home.example:9",
        "x-forwarded-proto": "https",
        "origin": "https://home.example:9",
    }
    assert place.client.post("sessions", headers=told).status_code == status
    rebound = place.client.post("sessions", headers={"x-forwarded-host": "home.example, evil.example"})
    assert rebound.status_code == (403 if status == 201 else 201)


def test_a_path_in_front_of_the_token_whether_a_proxy_takes_it_off_or_not(tmp_path):
    place = open_studio(tmp_path / "studio", access=Access(base="/art/studio"))
    assert place.client.get(f"{ORIGIN}/art/studio/{TOKEN}/about").status_code == 200
    assert place.client.get(f"{ORIGIN}/{TOKEN}/about").status_code == 200
    assert place.client.get(f"{ORIGIN}/art/studio/about").status_code == 403
    assert place.client.get(f"{ORIGIN}/art/{TOKEN}/about").status_code == 403
    assert place.client.get(f"{ORIGIN}/art/studio/{TOKEN}").headers["location"] == f"{TOKEN}/"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", f"https://127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT + 1}"]
)
def test_another_origin_is_refused(ready, origin):
    """A page that knows the address all the same; streams are no exception."""
    headers = {"origin": origin}
    assert ready.client.post("sessions", headers=headers).status_code == 403
    assert ready.client.get(f"{ready.at}/events", headers=headers).status_code == 403
    assert ready.client.post("sessions", headers={"origin": ORIGIN}).status_code == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_says_another_site_is_refused(ready, site):
    """Such as a page of another port of this machine; the address itself may be opened from anywhere."""
    headers = {"sec-fetch-site": site}
    assert ready.client.post("sessions", headers=headers).status_code == 403
    assert ready.client.delete(f"{ready.at}/styles/1", headers=headers).status_code == 403
    assert ready.client.get("", headers=headers).status_code == 200
    for own in ("same-origin", "none"):
        assert ready.client.post("sessions", headers={"sec-fetch-site": own}).status_code == 201


@pytest.mark.parametrize(
    "file",
    [
        "session.json",
        "../token",
        "..%2ftoken",
        "%2e%2e/token",
        "nothing.png",
        "%2fetc%2fpasswd",
        "a" * 300 + ".png",
        "%00.png",
    ],
)
def test_nothing_but_pictures_of_the_session_is_given(ready, file):
    (ready.folder / "token").write_text("secret")
    answer = ready.client.get(f"{ready.at}/files/{file}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("save", "kept"),
    [
        ("x.html", "x"),
        ("me-painted.png", "me-painted"),
        ("../../x", "x"),
        ("..", "picture"),
        ("a" * 300, "a" * 80),
    ],
)
def test_a_picture_that_is_kept_is_called_a_picture(ready, save, kept):
    view = document(ready)["subject"]["photo"]["view"]
    answer = ready.client.get(f"{ready.at}/files/{view}", params={"save": save})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"] == f'attachment; filename="{kept}.jpg"'


def test_there_are_no_websockets(ready):
    with pytest.raises(WebSocketDisconnect), ready.client.websocket_connect(f"/{TOKEN}/{ready.at}/events"):
        pass


def test_an_unknown_session_is_not_found(place):
    assert place.client.get("sessions/0123456789abcdef").status_code == 404
    assert place.client.get("sessions/..%2f..").status_code == 404
