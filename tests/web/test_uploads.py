"""What comes in: bounded in size and count, decoded by the reader of the command line, kept as it came."""

import asyncio
import errno
import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from nst.children import safe_children
from nst.cli.web import uploads
from nst.cli.web.decoding import Decoded, Decoder, decode_picture
from nst.errors import ImageError
from nst.samples import SAMPLES, read_sample
from tests.web.conftest import document, open_studio, png


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
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    answer = ready.client.put(f"{ready.at}/photo", content=iter([bytes(500)] * 3))
    assert answer.status_code == 413
    assert "smaller copy" in answer.json()["error"]
    assert document(ready)["subject"]["photo"]["name"] == "me.png"


def test_a_bomb_is_refused(ready, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 40 * 30)  # a third of that where it is not reduced
    answer = ready.client.put(f"{ready.at}/photo", content=png(9))
    assert answer.status_code == 422
    assert "decompression bombs" in answer.json()["error"]


def files(ready):
    return sorted(path.name for path in (ready.folder / ready.name).iterdir())


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("PUT", "photo", b"no picture"),
        ("PUT", "masks/style7", png(1)),
        ("PUT", "masks/protect", b"no picture"),
        ("PUT", "masks/protect", png(1, 1200, 1000)),  # more pixels than the page makes
        ("POST", "styles", b""),
    ],
)
def test_what_is_refused_leaves_nothing(ready, method, path, content):
    before = files(ready)
    assert ready.client.request(method, f"{ready.at}/{path}", content=content).status_code == 422
    assert files(ready) == before


def test_a_painting_too_many_that_came_meanwhile_leaves_nothing(ready, monkeypatch):
    before = files(ready)
    monkeypatch.setattr("nst.cli.web.studio.MOST_STYLES", 1)  # as after another request
    assert ready.client.post(f"{ready.at}/styles", content=png(3)).status_code == 422
    assert files(ready) == before


@pytest.mark.parametrize("method", ["replace", "write"])
def test_a_full_disk_is_said_and_leaves_nothing(ready, monkeypatch, method):
    before = files(ready)
    with monkeypatch.context() as patch:
        if method == "replace":
            patch.setattr("pathlib.Path.replace", no_space)
        else:
            patch.setattr(uploads, "write_atomically", no_space)
        answer = ready.client.post(f"{ready.at}/styles", content=png(3))
    assert answer.status_code == 507
    assert "full" in answer.json()["error"]
    assert str(ready.folder) in answer.json()["error"]
    assert files(ready) == before


def test_a_session_that_finds_no_disk_is_not_begun(place, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nst.cli.web.session.write_atomically", no_space)
        assert place.client.post("sessions").status_code == 507
    assert [path.name for path in place.folder.iterdir()] == ["queue"]
    assert list(place.studio.store) == []


def test_what_a_server_left_that_was_killed_goes(ready):
    folder = ready.folder / ready.name
    (ready.folder / "0123456789abcdef").mkdir()
    (ready.folder / "mine").mkdir()
    for path in (folder / "arriving-1", folder / ".nst-1.tmp", ready.folder / "queue" / "1.checkpoint"):
        path.write_bytes(b"half")
    before = document(ready)["subject"]
    again = open_studio(ready.folder)
    again.studio.open()
    again.at = ready.at
    assert document(again)["subject"] == before
    assert [file for file in files(ready) if not file.startswith(("source-", "view-"))] == ["session.json"]
    assert len(files(ready)) == 5
    assert sorted(path.name for path in ready.folder.iterdir()) == sorted(["mine", "queue", ready.name])
    assert not list((ready.folder / "queue").iterdir())


def test_two_pictures_are_decoded_at_once_and_no_more(tmp_path, monkeypatch):
    """The others wait, and none of them in the thread that serves."""
    present, most, together = [], [], threading.Barrier(2, timeout=60)

    def decode(decoder, function, *arguments):
        present.append(decoder)
        most.append(len(present))
        together.wait()  # there are two at once
        present.remove(decoder)
        return Decoded(".png", b"", 1, 1)

    monkeypatch.setattr(uploads.Decoder, "__call__", decode)

    async def come():
        intake = uploads.Intake()
        await asyncio.gather(*[intake.picture(once(b"x"), tmp_path, n, "name", False) for n in range(8)])

    async def once(data):
        yield data

    asyncio.run(come())
    assert max(most) == 2
    assert len(list(tmp_path.glob("source-*.png"))) == 8


def test_decoders_start_from_any_thread(tmp_path):
    """While the program itself is one whose children are safe, as `nst` is."""
    decoders = [Decoder(), Decoder()]
    with safe_children(), ThreadPoolExecutor() as threads:
        started = [threads.submit(decoder, len, b"abc") for decoder in decoders]
        assert [one.result(60) for one in started] == [3, 3]
    for decoder in decoders:
        decoder.close()


def test_a_decoder_that_dies_is_the_failure_of_its_picture(tmp_path):
    decoder = Decoder()
    with pytest.raises(ImageError, match="smaller copy"):
        decoder(os._exit, 1)
    (tmp_path / "a.png").write_bytes(png(1))
    assert decoder(decode_picture, str(tmp_path / "a.png"), "a.png", False, 2**20).width == 40
    decoder.close()


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not hold a process to its address space"
)
def test_a_decoder_is_held_to_its_memory():
    decoder = Decoder()
    with pytest.raises(ImageError, match=r"1\.5 GB"):
        decoder(bytearray, 2 * 10**9)
    assert len(decoder(bytearray, 10**6)) == 10**6
    decoder.close()


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


def test_sixteen_works_to_start_from_and_then_the_patterns(root):
    """Each is a file of the package with a row that says whose it is, and small."""
    samples = [sample for sample in SAMPLES.values() if not sample.photo]
    assert ["drawn by code" in sample.credit for sample in samples] == 16 * [False] + 4 * [True]
    folder = root / "nst" / "samples"
    note = (folder / "ORIGIN.md").read_text()
    assert {sample.file for sample in SAMPLES.values()} == {path.name for path in folder.glob("*.jpg")}
    for sample in SAMPLES.values():
        assert f"`{sample.file}`" in note
        assert len(read_sample(sample.file)) < 120_000


@pytest.mark.parametrize("name", ["rocket", "starry-night", "scream", "acanthus", "deep-field", "glass"])
def test_a_sample_is_there_with_its_credit(ready, name):
    facts = {sample["name"]: sample for sample in ready.client.get("about").json()["samples"]}
    assert facts[name]["credit"]
    assert Image.open(io.BytesIO(ready.client.get(f"samples/{name}").content)).format == "JPEG"
    if SAMPLES[name].photo:
        assert ready.client.put(f"{ready.at}/photo?sample={name}").status_code == 204
        taken = document(ready)["subject"]["photo"]
    else:
        assert ready.client.post(f"{ready.at}/styles?sample={name}").status_code == 204
        taken = document(ready)["subject"]["styles"][1]
    assert (taken["name"], taken["credit"]) == (facts[name]["title"], facts[name]["credit"])


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


@pytest.mark.slow
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


@pytest.mark.slow
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
