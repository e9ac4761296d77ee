"""Nobody comes in but the page with the token, of this host, from this origin."""

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.web.conftest import ORIGIN, PORT, TOKEN


def test_the_page_and_its_files_are_served(place):
    page = place.client.get("")
    assert page.status_code == 200
    assert "<title>nst studio</title>" in page.text
    assert place.client.get("static/main.js").headers["content-type"].startswith("text/javascript")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"  # else the token leaves with a link


@pytest.mark.parametrize(
    "path", ["/", "/about", f"/{TOKEN}", f"/{TOKEN}x/about", f"/{TOKEN[:-1]}/about", "//about", f"/ä{TOKEN}/"]
)
def test_a_wrong_token_is_refused(place, path):
    answer = place.client.get(f"{ORIGIN}{path}")
    assert answer.status_code == 403
    assert "token" in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", ""]
)
def test_another_host_is_refused(place, host):
    """A name that its owner points to 127.0.0.1."""
    assert place.client.get("about", headers={"host": host}).status_code == 403
    assert place.client.get("about", headers={"host": f"localhost:{PORT}"}).status_code == 200


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
    "file", ["session.json", "../token", "..%2ftoken", "%2e%2e/token", "nothing.png", "%2fetc%2fpasswd"]
)
def test_nothing_but_pictures_of_the_session_is_given(ready, file):
    (ready.folder / "token").write_text("secret")
    answer = ready.client.get(f"{ready.at}/files/{file}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_there_are_no_websockets(ready):
    with pytest.raises(WebSocketDisconnect), ready.client.websocket_connect(f"/{TOKEN}/{ready.at}/events"):
        pass


def test_an_unknown_session_is_not_found(place):
    assert place.client.get("sessions/0123456789abcdef").status_code == 404
    assert place.client.get("sessions/..%2f..").status_code == 404
