"""HDR, wide gamuts and gammas by numbers, against values of the ITU's tables and formulas written anew."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from nst.pictures.profiles import from_code_points, from_gamma, needs_conversion
from nst.pictures.reading import read_picture

DATA = Path(__file__).parents[1] / "data"
PQ, HLG, SRGB, LINEAR = 16, 18, 13, 8
BT709, BT2020, P3 = 1, 9, 12


def encoded(light):
    """The curve of sRGB."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def grey(level):
    return np.full((1, 3), level, np.float32)


def pq_signal(light):
    """BT.2100, table 4, the inverse EOTF; cd/m^2."""
    y = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg_signal(light):
    """BT.2100, table 5, of grey on a display of 1000 cd/m^2."""
    scene = (light / 1000) ** (1 / 1.2)
    return (
        np.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073
    )


@pytest.mark.parametrize(("transfer", "signal"), [(PQ, pq_signal), (HLG, hlg_signal)])
def test_greys_of_hdr(transfer, signal):
    """Up to half of diffuse white, 203 cd/m^2, light is what it is; 1000 are white; between them it grows."""
    for part in (0.001, 0.02, 0.18, 0.4, 0.5):
        got = from_code_points(grey(signal(203 * part)), BT709, transfer)
        np.testing.assert_allclose(got, encoded(part), atol=1e-4)
    # at diffuse white t = 1 and the end is (1000 / 203 - 0.5) / 0.5: t (1 + t / end^2) / (1 + t), of the upper half
    end = (1000 / 203 - 0.5) / 0.5
    white = 0.5 + 0.5 * (1 + 1 / end**2) / 2
    np.testing.assert_allclose(
        from_code_points(grey(signal(203)), BT709, transfer), encoded(white), atol=1e-4
    )
    np.testing.assert_allclose(from_code_points(grey(signal(1000)), BT709, transfer), 1, atol=1e-4)
    levels = [from_code_points(grey(level), BT709, transfer)[0, 0] for level in np.linspace(0, 1, 101)]
    assert np.all(np.diff(levels) >= -1e-6)


def test_the_signals_of_the_tables():
    """BT.2408, table 1: diffuse white is 58 % of PQ and 75 % of HLG."""
    assert pq_signal(203) == pytest.approx(0.58, abs=0.002)
    assert hlg_signal(203) == pytest.approx(0.75, abs=0.002)


def test_primaries():
    """BT.709's red, green and blue in BT.2020 are the columns of BT.2087, equation 1; greys stay what they are."""
    matrix = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    got = from_code_points(matrix.T.astype(np.float32), BT2020, LINEAR)
    np.testing.assert_allclose(got, np.eye(3), atol=0.015)  # the curve is steep at black
    for primaries in (BT2020, P3):
        np.testing.assert_allclose(from_code_points(grey(0.3), primaries, SRGB), 0.3, atol=1e-4)
    # Display P3's red is outside sRGB, its half-way to white (0.5, in light) is not: 1.2249, -0.0420, -0.0196
    light = 0.5 + 0.5 * np.array([1.2249, -0.0420, -0.0196])
    mixed = encoded(np.array([[1, 0.5, 0.5]])).astype(np.float32)
    np.testing.assert_allclose(
        from_code_points(mixed, P3, SRGB), encoded(np.minimum(light, 1))[None], atol=1e-3
    )


def test_hdr_keeps_the_hue():
    light = np.array([[600.0, 300.0, 150.0]])
    got = from_code_points(np.float32(pq_signal(light)), BT709, PQ)
    back = np.where(got <= 0.04045, got / 12.92, ((got + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(back / back[0, 0], light / 600, atol=1e-3)


def test_gammas_and_impossible_primaries():
    np.testing.assert_allclose(from_gamma(grey(0.3), 1.0, None), encoded(0.3), atol=1e-5)
    np.testing.assert_allclose(from_gamma(grey(0.5), 0.5, None), encoded(0.25), atol=1e-5)
    for impossible in ((0.3, 0, 0.6, 0.3, 0.3, 0.6, 0.1, 0.1), (0.3, 0.3) * 4, (0.0,) * 8):
        np.testing.assert_allclose(from_gamma(grey(0.5), 0.5, impossible), encoded(0.25), atol=1e-5)


def test_what_is_srgb_already_is_left_alone():
    assert not needs_conversion(1, 13)
    assert not needs_conversion(2, 2)
    assert not needs_conversion(6, 6)
    assert all(needs_conversion(*points) for points in ((9, 16), (9, 18), (12, 13), (1, 8), (9, 14)))


def png(path, pixels, **chunks):
    """An RGB picture of 8 bits by hand; chunks before the pixels, by name."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">2I5B", len(pixels[0]), len(pixels), 8, 2, 0, 0, 0))
    rows = b"".join(b"\0" + bytes(np.array(row, np.uint8).ravel().tolist()) for row in pixels)
    more = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def gamma(value):
    return struct.pack(">I", round(value * 100000))


PIXELS = [[(200, 100, 50), (148, 148, 148)]]


def test_png_with_code_points(tmp_path):
    rgb = read_picture(png(tmp_path / "a.png", PIXELS, cICP=bytes([9, 16, 0, 1]))).rgb
    want = from_code_points(np.array(PIXELS, np.float32) / 255, BT2020, PQ)
    np.testing.assert_allclose(rgb, want, atol=1e-6)
    assert np.abs(rgb * 255 - PIXELS).max() > 20
    same = read_picture(png(tmp_path / "b.png", PIXELS, cICP=bytes([1, 13, 0, 1]), gAMA=gamma(1.0))).rgb
    np.testing.assert_allclose(same * 255, PIXELS, atol=1e-4)  # and the gamma does not count


def test_png_with_a_gamma(tmp_path):
    rgb = read_picture(png(tmp_path / "a.png", PIXELS, gAMA=gamma(1.0))).rgb
    np.testing.assert_allclose(rgb, encoded(np.array(PIXELS) / 255), atol=1e-5)
    usual = read_picture(png(tmp_path / "b.png", PIXELS, gAMA=gamma(0.45455))).rgb
    np.testing.assert_allclose(usual * 255, PIXELS, atol=1e-4)
    told = read_picture(png(tmp_path / "c.png", PIXELS, sRGB=b"\0", gAMA=gamma(1.0))).rgb
    np.testing.assert_allclose(told * 255, PIXELS, atol=1e-4)


def test_png_with_primaries(tmp_path):
    """Of BT.2020, and a gamma that means sRGB's curve nearly enough."""
    xy = (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
    primaries = struct.pack(">8I", *(round(100000 * value) for value in xy))
    rgb = read_picture(png(tmp_path / "a.png", PIXELS, gAMA=gamma(0.45455), cHRM=primaries)).rgb
    matrix = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]  # BT.2087
    light = (np.array(PIXELS) / 255) ** (1 / 0.45455) @ np.array(matrix).T
    np.testing.assert_allclose(rgb, encoded(light), atol=1e-3)
    assert np.abs(rgb * 255 - PIXELS).max() > 20


@pytest.mark.parametrize("kind", ["avif", "heic"])
def test_code_points_of_avif_and_heic(kind, tmp_path):
    """Those of a file made without a profile, changed in its box colr from sRGB to PQ."""
    if kind == "heic":
        pytest.importorskip("pi_heif")
        data = DATA.joinpath("phone.heic").read_bytes()
    else:
        if not features.check("avif"):
            pytest.skip("this Pillow knows no AVIF")
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32), (200, 100, 50)).save(buffer, "AVIF")
        data = buffer.getvalue()
    assert data.count(b"colrnclx") == 1
    at = data.index(b"colrnclx") + 8
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(data[:at] + struct.pack(">2H", BT2020, PQ) + data[at + 4 :])
    sdr, hdr = (read_picture(tmp_path / name).rgb for name in "ab")
    np.testing.assert_allclose(hdr, from_code_points(sdr, BT2020, PQ), atol=1e-6)
    assert np.abs(hdr - sdr).max() > 0.1
