"""Faces and subjects that are found, and the photograph that stays there."""

import sys
import types

import numpy as np
import pytest
from PIL import Image

import nst
from nst.errors import NSTError, SettingsError
from nst.pictures.color import Color
from nst.pictures.masks import Masks, restore_protected
from nst.pictures.picture import Picture
from nst.pictures.subjects import faces, subject, with_found
from nst.progress import Output

data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def astronaut():
    """(512, 512, 3) uint8; the head is in rows 10 to 190, columns 150 to 300."""
    return data.astronaut()


def picture(pixels):
    return Picture(np.asarray(pixels, np.float32) / 255)


@pytest.mark.slow
def test_the_head_of_the_astronaut(astronaut):
    mask = faces(picture(astronaut))
    assert mask.shape == (512, 512)
    assert set(np.unique(mask)) == {0, 1}
    # looked up in the photograph: both eyes, mouth, hair at the top and on both sides
    for row, column in ((107, 204), (107, 242), (148, 222), (40, 220), (95, 165), (95, 280)):
        assert mask[row, column] == 1, (row, column)
    # the wall, the flag, the ring of the suit, the shuttle, the helmet
    for row, column in ((20, 140), (200, 20), (230, 180), (150, 400), (440, 430)):
        assert mask[row, column] == 0, (row, column)
    assert mask[:200, 140:300].sum() > 0.99 * mask.sum()
    np.testing.assert_array_equal(faces(picture(astronaut)), mask)


@pytest.mark.slow
def test_several_faces_of_different_sizes(astronaut):
    wall = np.full((600, 900, 3), 90, np.uint8)
    head = Image.fromarray(astronaut[0:300, 80:380])
    wall[20:320, 20:320] = head
    wall[300:520, 600:820] = np.asarray(head.resize((220, 220))) * 0.7
    mask = faces(picture(wall))
    scale = 512 / 900
    for left, top, side in ((20, 20, 300), (600, 300, 220)):
        nose = mask[round((top + 0.42 * side) * scale), round((left + 0.48 * side) * scale)]
        assert nose == 1
    assert mask[:, round(400 * scale) : round(550 * scale)].sum() == 0


@pytest.mark.slow
def test_no_face_in_a_cat_a_rocket_or_a_ribbon(caplog):
    for pixels in (data.chelsea(), data.rocket(), np.full((4, 300, 3), 90)):
        assert faces(picture(pixels)) is None
    masks = {"protect": "face", "content": "c.png"}
    assert with_found(masks, picture(data.chelsea())) == {"content": "c.png"}
    assert [record.getMessage() for record in caplog.records] == [
        "no face was found in the content picture: nothing is protected; a mask picture can be given as well"
    ]


def test_what_is_no_word_is_left_alone():
    for masks in (None, Masks(), {"protect": "a.png"}, {"style1": "face"}, {"protect": np.ones((2, 2))}):
        assert with_found(masks, picture(np.zeros((4, 4, 3)))) is masks


@pytest.fixture
def rembg(monkeypatch):
    """A stand-in of the same interface, whose subject is what is bright."""
    module = types.ModuleType("rembg")
    module.new_session = lambda name: {"u2net": "session"}[name]

    def remove(image, *, session, only_mask):
        assert (session, only_mask, image.mode) == ("session", True, "RGB")
        return image.convert("L").point(lambda level: 255 * (level > 127))

    module.remove = remove
    monkeypatch.setitem(sys.modules, "rembg", module)
    return module


def test_the_subject_by_rembg(rembg):
    pixels = np.zeros((20, 40, 3))
    pixels[5:15, 10:30] = 255
    mask = subject(picture(pixels))
    assert mask.shape == (256, 512)
    assert mask[128, 256] == 1
    assert mask[10, 10] == 0
    assert mask.mean() == pytest.approx(200 / 800, abs=0.02)
    assert subject(picture(0 * pixels)) is None


def test_what_can_go_wrong_with_rembg_is_one_line(rembg, monkeypatch):
    def unreachable(name):
        raise OSError("no route\nto host")

    rembg.new_session = unreachable
    with pytest.raises(NSTError, match=r"rembg found no subject \(no route\): give a mask picture"):
        subject(picture(np.zeros((4, 4, 3))))
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(NSTError, match=r"pip install 'rembg\[cpu\]'"):
        subject(picture(np.zeros((4, 4, 3))))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(NSTError, match=r"pip install 'nst\[protect\]'"):
        faces(picture(np.zeros((4, 4, 3))))


def test_the_photograph_is_put_back_with_a_soft_edge():
    photo, paint = (
        Picture(np.full((100, 100, 3), 0.8, np.float32)),
        Picture(np.zeros((100, 100, 3), np.float32)),
    )
    mask = np.zeros((100, 100), np.float32)
    mask[:, 50:] = 1
    row = restore_protected(paint, photo, Masks(protect=mask)).rgb[50, :, 0]
    assert (row[:46] == 0).all()
    np.testing.assert_allclose(row[54:], 0.8, rtol=1e-6)
    # the integral of a Gaussian of one pixel, half a pixel from the edge: weights 0.3990 (0), 0.2420 (1), ...
    assert row[49] + row[50] == pytest.approx(0.8)
    assert row[50] == pytest.approx(0.8 * 0.6995, abs=1e-3)
    wider = restore_protected(paint, photo, Masks(protect=mask, feather=5)).rgb[50, :, 0]
    assert 0.05 < wider[45] < 0.2
    small = restore_protected(Picture(paint.rgb[::2, ::2]), photo, Masks(protect=mask, feather=5)).rgb[
        25, :, 0
    ]
    assert small[22] == pytest.approx(wider[44:46].mean(), abs=0.01)  # the same edge at half the size
    assert restore_protected(paint, photo, Masks()) is paint


def test_colours_that_are_changed_afterwards_do_not_reach_it():
    rng = np.random.default_rng(0)
    photo, paint = (Picture(rng.random((40, 40, 3), np.float32)) for _ in range(2))
    mask = np.zeros((40, 40), np.float32)
    mask[10:30, 10:30] = 1
    output = Output(Color("match-chol", when="after"), photo, lambda x: x, Masks(protect=mask))
    result = output.finish(paint).rgb
    np.testing.assert_allclose(result[14:26, 14:26], photo.rgb[14:26, 14:26], atol=1e-6)
    assert np.abs(result[:5] - photo.rgb[:5]).mean() > 0.1


@pytest.mark.slow
def test_a_transfer_keeps_the_face(astronaut, small_network):
    """From noise, so that nothing but the mask can have kept it."""
    small = np.asarray(Image.fromarray(astronaut).resize((96, 96), Image.Resampling.LANCZOS))
    options = {
        "weights": small_network,
        "backend": "numpy",
        "steps": 2,
        "init": "noise",
        "scales": 1,
        "size": "content",
    }
    result = nst.stylize(small, astronaut[:64, :64], masks={"protect": "face"}, **options)
    alone = nst.stylize(small, astronaut[:64, :64], **options)
    face = slice(18, 30), slice(37, 46)  # from the brows to the mouth
    assert np.abs(result[face].astype(int) - small[face]).max() <= 1
    assert np.abs(alone[face].astype(float) - small[face]).mean() > 20


def test_a_face_moves_in_a_video(astronaut):
    from nst.video import VideoTransfer

    with pytest.raises(SettingsError, match="a face moves: give a mask picture"):
        VideoTransfer(astronaut, astronaut, masks={"protect": "face"})
