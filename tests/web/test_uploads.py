"""What comes in: bounded in size and count, decoded by the reader of the command line, kept as it came."""

import io

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
    assert len(facts) == 8
    assert facts[name]["credit"]
    assert Image.open(io.BytesIO(ready.client.get(f"samples/{name}").content)).format == "JPEG"
    ready.client.put(f"{ready.at}/photo?sample={name}")
    photo = document(ready)["subject"]["photo"]
    assert (photo["name"], photo["credit"]) == (facts[name]["title"], facts[name]["credit"])


def test_an_unknown_sample_is_not_found(ready):
    assert ready.client.put(f"{ready.at}/photo?sample=mona-lisa").status_code == 404
    assert ready.client.get("samples/mona-lisa").status_code == 404


def test_faces_are_found_and_join_what_the_brush_has_painted(ready):
    data = pytest.importorskip("skimage.data")
    pytest.importorskip("cv2")
    held = io.BytesIO()
    Image.fromarray(data.astronaut()).save(held, "PNG")
    ready.client.put(f"{ready.at}/photo", content=held.getvalue())
    painted = np.zeros((64, 64), np.uint8)
    painted[56:, :8] = 255  # the lower left corner
    held = io.BytesIO()
    Image.fromarray(painted).save(held, "PNG")
    ready.client.put(f"{ready.at}/masks/protect", content=held.getvalue())
    assert ready.client.post(f"{ready.at}/faces").status_code == 204
    mask = np.asarray(Image.open(ready.folder / ready.name / document(ready)["subject"]["masks"]["protect"]))
    assert mask[110, 224] == 255  # her nose
    assert mask[500, 20] == 255
    assert mask[300, 60] == 0  # the flag


def test_no_face_is_said(ready):
    pytest.importorskip("skimage")
    pytest.importorskip("cv2")
    answer = ready.client.post(f"{ready.at}/faces")
    assert answer.status_code == 422
    assert "no face" in answer.json()["error"]
