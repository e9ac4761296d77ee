"""From what people type to rows: pictures, folders, patterns, lists; pairs; names of results."""

import unicodedata
from pathlib import Path

import pytest

from nst.batch.rows import Row, check_outputs, expand, named, pairs
from nst.errors import ImageError, SettingsError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """photos/ with pictures, files that are none, and a folder inside; the working folder."""
    photos = tmp_path / "photos"
    (photos / "inside").mkdir(parents=True)
    for name in ("p10.png", "p2.JPG", "notes.txt", ".hidden.png", "inside/p3.png"):
        (photos / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_patterns_and_files(folder):
    assert expand("photos") == ["photos/p2.JPG", "photos/p10.png"]
    assert expand(["photos/*.png"]) == ["photos/p10.png"]
    assert expand("photos/**/*.png") == ["photos/inside/p3.png", "photos/p10.png"]
    assert expand(["photos/p10.png", folder / "photos", "photos"]) == [
        "photos/p10.png",
        str(folder / "photos" / "p2.JPG"),
    ]  # each once


def test_a_name_with_the_signs_of_a_pattern_is_a_name(folder):
    (folder / "a[1].png").touch()
    assert expand("a[1].png") == ["a[1].png"]


def test_lists(folder):
    lists = folder / "lists"
    lists.mkdir()
    (lists / "near.png").touch()
    (lists / "l.txt").write_text("# mine\nphotos/p10.png\n\nnear.png\nphotos/inside\ngone.png\n", "utf-8-sig")
    found = ["photos/p10.png", "lists/near.png", "photos/inside/p3.png", "gone.png"]
    assert expand("@lists/l.txt") == found


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nowhere.png", "no such file"),
        ("photos/*.webp", "no picture fits"),
        ("empty", "no picture in the folder"),
        ("@nowhere.txt", "cannot read the list"),
        ("@void.txt", "is empty"),
    ],
)
def test_nothing_there(folder, word, message):
    (folder / "empty").mkdir()
    (folder / "void.txt").write_text("# nothing\n")
    with pytest.raises(ImageError, match=message):
        expand(word)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_accents_of_one_sign_or_two_in_a_list(folder, encoding):
    """A list typed on one system (NFC) names files of another (NFD), and the other way round."""
    for form in ("NFC", "NFD"):
        (folder / "photos" / unicodedata.normalize(form, f"é{form}.png")).write_bytes(b"")
    listed = [
        unicodedata.normalize(form, f"photos/é{name}.png") for form, name in (("NFD", "NFC"), ("NFC", "NFD"))
    ]
    (folder / "accents.txt").write_text("\n".join(listed), encoding)
    found = expand("@accents.txt")
    assert len(found) == 2
    assert all(Path(path).is_file() for path in found)


def test_pairs():
    assert pairs(["a", "b"], ["x", "y"], False) == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]
    assert pairs(["a", "b"], ["x", "y"], True) == [("a", "x"), ("b", "y")]
    with pytest.raises(SettingsError, match="2 contents and 1 styles"):
        pairs(["a", "b"], ["x"], True)
    with pytest.raises(SettingsError, match="no style picture"):
        pairs(["a"], [], False)


def test_names():
    assert named("{content}-{style}.png", "in/a.b.jpg", ["s/x.tif"], 7) == "a.b-x.png"
    assert named("{style}/{number:03}-{folder}.jpg", "in/a.jpg", ["x.png", "y.png"], 7) == "x+y/007-in.jpg"
    assert named("{content}{suffix}", "in/a.b.JPG", ["x.png"], 7) == "a.b.JPG"
    assert named("{{}}.png", "a{0}.jpg", ["x.png"], 1) == "{}.png"
    assert named("{content}.png", "a{0}.jpg", ["x.png"], 1) == "a{0}.png"
    for wrong in ("{other}.png", "{content", "{}.png", "{content.__class__}.png", "{number:q}.png"):
        with pytest.raises(SettingsError, match="choose from"):
            named(wrong, "a.jpg", ["x.png"], 1)


def test_collisions(tmp_path):
    def rows(*outputs):
        return [Row(f"in/{number}.png", ("s.png",), output) for number, output in enumerate(outputs)]

    check_outputs(rows("a.png", "b.png", "a/b.png"), tmp_path)
    for outputs in (("a.png", "A.png"), ("a.png", "./a.png"), ("x/a.png", "x//a.png")):
        with pytest.raises(SettingsError, match=r"in/1\.png and s\.png would be"):
            check_outputs(rows(*outputs), tmp_path)
    advice = {
        ("in/a.jpg", "in/a.png"): "use a name with {suffix} or {number}$",
        ("in/a.jpg", "on/a.jpg"): "use a name with {folder} or {number}$",
        ("in/a.jpg", "on/a.png"): "use a name with {folder} or {suffix} or {number}$",
        ("in/a.jpg", "in/a.jpg"): "use a name with {number}$",  # in styles of the same name
    }
    for contents, words in advice.items():
        with pytest.raises(SettingsError, match=words):
            check_outputs([Row(content, ("s.png",), "a.png") for content in contents], tmp_path)
    for output in ("../a.png", "/tmp/a.png", "x/../../a.png", ""):
        with pytest.raises(SettingsError, match="not inside"):
            check_outputs(rows(output), tmp_path)
