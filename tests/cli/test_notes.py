"""What `nst stylize` says of the pictures it was given, and what it takes of them."""

import numpy as np
import pytest
from PIL import Image

from nst.cli.console import notes
from nst.inputs import about_inputs
from nst.pictures.writing import read_settings
from nst.settings import Settings


@pytest.fixture
def moving(tmp_path):
    """moving(suffix): three frames, red, green and blue."""

    def make(suffix):
        frames = [Image.new("RGB", (32, 24), color) for color in ("red", "lime", "blue")]
        path = tmp_path / f"moving.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
        return str(path)

    return make


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animated_picture(suffix, moving, stylize, pictures):
    path = moving(suffix)
    result = stylize(content=path)
    assert result.status == 0
    assert (
        result.stderr
        == f"nst: {path} is animated: its first frame is painted; nst video paints all of them\n"
    )
    assert stylize("--quiet", content=path).stderr == ""
    assert stylize(style=path).stderr == f"nst: {path} is animated: its first frame is the style\n"


def test_pages_and_views_are_no_frames(tmp_path, small_network):
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "lime")]
    for suffix, kind in (("tif", "TIFF"), ("jpg", "MPO")):
        frames[0].save(tmp_path / f"a.{suffix}", kind, save_all=True, append_images=frames[1:])
        assert about_inputs(str(tmp_path / f"a.{suffix}"), [], Settings(), Settings(), small_network) == ()


@pytest.mark.parametrize(
    ("content", "styles", "said"),
    [
        ("photo.jpg", ["monet.jpg"], None),
        ("photo.jpg", ["a.jpg", "b.jpg", "c.jpg"], None),
        ("a.jpg", ["b.jpg", "c.jpg", "d.jpg", "e.jpg"], "the 4 others are its styles"),
        ("IMG_0012.jpg", ["IMG_0013.jpg"], "IMG_0013.jpg is its style"),
        ("IMG_0012.jpg", ["IMG_0013.jpg", "monet.jpg"], "the 2 others are its styles"),
        ("photo.jpg", ["style1.jpg", "style2.jpg"], None),
        ("a1/photo.jpg", ["a2/photo.jpg"], None),
    ],
)
def test_many_files(content, styles, said):
    want = (
        [f"{content} is painted and {said}: to paint several pictures, see nst batch --help"] if said else []
    )
    assert notes(content, styles) == want


def test_arrays_have_no_notes():
    picture = np.zeros((4, 4, 3), np.uint8)
    assert notes(picture, [picture] * 5) == []


def test_a_style_that_cannot_be_seen(stylize, tmp_path):
    Image.new("RGBA", (32, 32), (200, 100, 50, 10)).save(tmp_path / "clear.png")
    result = stylize(style=[tmp_path / "clear.png"])
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr == "nst: error: style picture 1 is transparent all over: give one that can be seen\n"


def test_a_movie_is_for_another_command(stylize, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100))
    result = stylize(content=tmp_path / "a.mp4")
    assert result.status == 2
    assert result.stderr.endswith(
        "it is a movie; paint it with nst video, or save one of its frames as a picture\n"
    )


def test_a_map_of_colors(stylize, pictures, tmp_path):
    values = np.zeros((24, 32, 3), np.uint8)
    values[:, :16, 0] = values[:, 16:, 1] = 255
    Image.fromarray(values).save(tmp_path / "map.png")
    for name, left in (("left", 255), ("right", 0)):
        mask = np.full((24, 32), 255 - left, np.uint8)
        mask[:, :16] = left
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    styles = [pictures.style, pictures.other]
    done = stylize("--mask", "style1=map.png:red", "--mask", "style2=map.png:green", style=styles)
    assert done.status == 0, done.stderr
    assert read_settings("out.png")["settings"]["masks"] == {
        "style1": "map.png:red",
        "style2": "map.png:green",
    }
    by_color = Image.open("out.png").tobytes()
    assert stylize("--mask", "style1=left.png", "--mask", "style2=right.png", style=styles).status == 0
    assert Image.open("out.png").tobytes() == by_color
    assert "say which one, as in style1=map.png:red" in stylize("--mask", "style1=map.png").stderr
    assert "'redd' is not a color" in stylize("--mask", "style1=map.png:redd").stderr
    assert "there is no blue in the map" in stylize("--mask", "style1=map.png:blue").stderr


def test_a_colon_in_the_name_of_a_file(stylize, tmp_path):
    Image.new("L", (32, 24), 255).save(tmp_path / "a:red.png")
    Image.new("L", (32, 24), 255).save(tmp_path / "a", "PNG")
    assert stylize("--mask", "style1=a:red.png").status == 0
