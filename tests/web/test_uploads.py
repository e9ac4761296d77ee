"""What comes in: bounded in size and count, decoded by the reader of the command line, kept as it came."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from nst.cli.web import uploads
from tests.web.conftest import document, png


def test_a_photograph_is_kept_as_it_came(ready):
    photo = document(ready)["subject"]["photo"]
    assert (photo["name"], photo["width"], photo["height"]) == ("me.png", 40, 30)
    assert (ready.folder / ready.name / photo["file"]).read_bytes() == png(1)
    view = ready.client.get(f"{ready.at}/files/{photo['view']}")
    assert Image.open(io.BytesIO(view.content)).format == "JPEG"


def test_what_is_no_picture_is_called_by_its_name(ready):
    answer = ready.client.put(f"{ready.at}/photo", content=b"<html><body>hello</body></html>")
    assert answer.status_code == 422
    assert "web page" in answer.json()["error"]
    assert document(ready)["subject"]["photo"]["name"] == "me.png"


def test_too_many_bytes_are_not_read(ready, monkeypatch):
    monkeypatch.setattr(uploads.bounded, "__defaults__", (1000,))
    answer = ready.client.put(f"{ready.at}/photo", content=iter([bytes(500)] * 3))
    assert answer.status_code == 413
    assert "smaller copy" in answer.json()["error"]
    assert document(ready)["subject"]["photo"]["name"] == "me.png"


def test_a_bomb_is_refused(ready, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UPLOAD_PIXELS", 40 * 30)  # a third of that where it is not reduced
    answer = ready.client.put(f"{ready.at}/photo", content=png(9))
    assert answer.status_code == 422
    assert "decompression bombs" in answer.json()["error"]


def test_four_paintings_and_no_more(ready):
    for seed in (3, 4, 5):
        assert ready.client.post(f"{ready.at}/styles", content=png(seed)).status_code == 204
    answer = ready.client.post(f"{ready.at}/styles", content=png(6))
    assert answer.status_code == 422
    assert "4 paintings" in answer.json()["error"]
    assert len(document(ready)["subject"]["styles"]) == 4


def test_a_large_painting_is_kept_smaller_and_a_large_photograph_is_not(ready):
    held = io.BytesIO()
    Image.linear_gradient("L").resize((2500, 50)).save(held, "PNG")
    ready.client.post(f"{ready.at}/styles", content=held.getvalue())
    ready.client.put(f"{ready.at}/photo", content=held.getvalue())
    subject = document(ready)["subject"]
    folder = ready.folder / ready.name
    assert Image.open(folder / subject["styles"][1]["file"]).size == (2048, 41)
    assert Image.open(folder / subject["photo"]["file"]).size == (2500, 50)


@pytest.mark.parametrize(
    "name", ["rocket", "cat", "starry-night", "shipwreck", "strokes", "dots", "waves", "glass"]
)
def test_every_sample_is_there_with_a_credit(ready, name):
    facts = {sample["name"]: sample for sample in ready.client.get("about").json()["samples"]}
    assert len(facts) == 17
    assert facts[name]["credit"]
    assert Image.open(io.BytesIO(ready.client.get(f"samples/{name}").content)).format == "JPEG"
    ready.client.put(f"{ready.at}/photo?sample={name}")
    photo = document(ready)["subject"]["photo"]
    assert (photo["name"], photo["credit"]) == (facts[name]["title"], facts[name]["credit"])


def test_an_unknown_sample_is_not_found(ready):
    assert ready.client.put(f"{ready.at}/photo?sample=mona-lisa").status_code == 404
    assert ready.client.get("samples/mona-lisa").status_code == 404


@pytest.fixture
def portrait():
    """A photograph with a large face as a PNG file."""
    data = pytest.importorskip("skimage.data")
    pytest.importorskip("cv2")
    held = io.BytesIO()
    Image.fromarray(data.astronaut()).save(held, "PNG")
    return held.getvalue()


def test_a_large_face_is_found_and_kept(ready, portrait):
    ready.client.put(f"{ready.at}/photo", content=portrait)
    subject = document(ready)["subject"]
    assert subject["masks"] == {"protect": subject["photo"]["faces"]}
    mask = np.asarray(Image.open(ready.folder / ready.name / subject["photo"]["faces"]))
    assert mask[110, 224] == 255  # her nose
    assert mask[300, 60] == 0  # the flag
    assert (
        ready.live.sent[-1].order.subject.masks == subject["masks"]
    )  # and painted like that, from the beginning
    assert not ready.live.sent[-1].go_on
    ready.client.delete(f"{ready.at}/masks/protect")  # the switch
    assert document(ready)["subject"]["masks"] == {}
    assert document(ready)["subject"]["photo"]["faces"] == subject["photo"]["faces"]
    assert subject["photo"]["faces"] in ready.studio.store.get(ready.name).wanted


def test_a_small_face_is_kept_when_the_switch_says_so(ready, portrait):
    sheet = Image.new("RGB", (1200, 1200), "gray")
    sheet.paste(Image.open(io.BytesIO(portrait)), (0, 0))
    held = io.BytesIO()
    sheet.save(held, "PNG")
    ready.client.put(f"{ready.at}/photo", content=held.getvalue())
    subject = document(ready)["subject"]
    assert subject["photo"]["faces"]
    assert subject["masks"] == {}


def test_without_what_finds_faces_there_is_no_switch(ready, portrait, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert ready.client.put(f"{ready.at}/photo", content=portrait).status_code == 204
    assert document(ready)["subject"]["photo"]["faces"] == ""
