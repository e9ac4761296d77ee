"""Flow, warping and what of it can be believed, on motions that are known."""

import numpy as np
import pytest
from skimage import data

from nst.errors import NSTError
from nst.video.flow import confidence, dis_flow, require_opencv, warp

CAT = data.chelsea().astype(np.float32) / 255


def constant(height, width, right, down):
    return np.broadcast_to(np.float32([right, down]), (height, width, 2)).copy()


def test_a_warp_by_whole_pixels_takes_those_pixels():
    picture = CAT[:40, :50]
    warped = warp(picture, constant(40, 50, 5, -3))
    np.testing.assert_array_equal(warped[3:, :-5], picture[:-3, 5:])
    np.testing.assert_array_equal(
        warped[3:, -5:], np.repeat(picture[:-3, -1:], 5, axis=1)
    )  # the edge goes on
    assert warped.dtype == np.float32


def test_between_pixels_it_is_bilinear():
    plane = np.float32([[0, 1], [2, 6]])
    flow = np.zeros((2, 2, 2), np.float32)
    flow[0, 0] = 0.25, 0.5
    # 0.75 * (0.5 * 0 + 0.5 * 2) + 0.25 * (0.5 * 1 + 0.5 * 6)
    assert warp(plane, flow)[0, 0] == pytest.approx(1.625, abs=1e-6)


def test_a_sharp_warp_keeps_fine_detail_and_the_range():
    """Half a pixel beside 1, 0, -1, 0, ... a true wave is +-0.707; bicubic is OpenCV's, a = -0.75."""
    wave = 0.5 + 0.5 * np.cos(np.pi / 2 * np.arange(64, dtype=np.float32))
    picture = np.ascontiguousarray(np.broadcast_to(wave[None, :, None], (8, 64, 3)))
    inside = np.s_[4, 8:-8, 0]
    near, far = (1 + 2 * 0.09375) / 2, -0.09375  # weights of the two pixels beside, and of the two beyond
    # of 1 and 0 beside, 0 and -1 beyond
    for sharp, left in ((False, 0.5), (True, near - far)):
        shifted = warp(picture, constant(8, 64, 0.5, 0), sharp)[inside]
        assert np.ptp(shifted) == pytest.approx(left, rel=0.01)
    steps = warp(
        np.float32(np.arange(64) % 8 < 4)[None, :, None].repeat(8, 0), constant(8, 64, 0.5, 0), sharp=True
    )
    assert (steps.min(), steps.max()) == (0, 1)


def test_flow_finds_a_pan():
    before, frame = CAT[20:140, 50:230], CAT[22:142, 55:235]  # what is at p was at p + (5, 2)
    back = dis_flow(frame, before)
    assert back.shape == (120, 180, 2)
    np.testing.assert_allclose(np.median(back, axis=(0, 1)), [5, 2], atol=0.05)
    inner = np.abs(back - [5, 2])[:-8, :-8].max(axis=-1)
    assert np.percentile(inner, 90) < 0.15
    off = np.abs(warp(before, back) - frame)[:-8, :-8].mean()
    assert off < 0.05 * np.abs(before - frame)[:-8, :-8].mean()


@pytest.mark.parametrize("shape", [(1, 8), (5, 40), (40, 5), (20, 12)])
def test_flow_of_small_frames(shape):
    frame = CAT[: shape[0], : shape[1]]
    assert dis_flow(frame, frame).shape == (*shape, 2)


def test_what_comes_into_the_picture_cannot_be_told():
    """A pan by (5, 2): the last five columns and two rows were outside before."""
    believed = confidence(constant(30, 40, 5, 2), constant(30, 40, -5, -2))
    expected = np.ones((30, 40), np.float32)
    expected[:, -5:] = 0
    expected[-2:] = 0
    np.testing.assert_array_equal(believed, expected)


def test_flows_that_do_not_lead_back_are_not_believed():
    """|w + w'|^2 > 0.01 (|w|^2 + |w'|^2) + 0.5: with w' = (4, 0) and w = (-4 + d, 0), 0.01 d^2 + ... by hand.

    d = 0.9: 0.81 > 0.01 (9.61 + 16) + 0.5 = 0.7561, hidden. d = 0.8: 0.64 < 0.01 (10.24 + 16) + 0.5 = 0.7624.
    """
    back = constant(20, 20, 4, 0)
    assert confidence(back, constant(20, 20, -3.1, 0))[:, :16].max() == 0
    assert confidence(back, constant(20, 20, -3.2, 0))[:, :16].min() == 1


def test_edges_of_motions_are_not_believed():
    """|grad u|^2 + |grad v|^2 > 0.01 |w'|^2 + 0.002, for u = s x around x = 10 with s^2 against 0.002."""
    columns = np.arange(-10, 11, dtype=np.float32)
    for slope, believed in ((0.044, 1.0), (0.0455, 0.0)):  # squares: 0.001936 and 0.00207
        back = np.zeros((9, 21, 2), np.float32)
        back[..., 0] = slope * columns
        assert confidence(back, -back)[4, 10] == believed  # where the motion itself is 0


def test_the_strip_that_a_moving_square_uncovers():
    def frame(left):
        picture = CAT[20:200, 50:300].copy()
        picture[60:120, left : left + 60] = data.coffee()[100:160, 200:260].astype(np.float32) / 255
        return picture

    before, now = frame(90), frame(102)
    believed = confidence(dis_flow(now, before), dis_flow(before, now))
    assert believed[65:115, 90:102].mean() < 0.1  # uncovered
    assert believed[70:110, 112:152].mean() > 0.95  # the square
    assert believed[:45].mean() > 0.9  # far from it


def test_without_opencv_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(NSTError, match=r"pip install 'nst\[video\]'"):
        require_opencv()
