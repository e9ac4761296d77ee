"""The typed reader of JSON: what fits, what does not, and that nothing else than ValueError comes."""

import json

import pytest

from nst.documents import parse, read_json, require

FORM = {
    "name": str,
    "size": [int],
    "share?": float,
    "shown": (bool, None),
    "terms": {str: float},
    "any": object,
}
GOOD = {"name": "a", "size": [1, 2], "shown": None, "terms": {"x": 1}, "any": [{}]}


def test_what_fits():
    assert read_json(json.dumps(GOOD), FORM) == GOOD
    require({**GOOD, "share": 0.5, "shown": True, "more": 1}, FORM)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1}, {"name": None}, {"size": 1}, {"size": [True]}, {"size": [1.0]}, {"size": [10**30]}, {"shown": 0},
        {"share": "1"}, {"share": True}, {"share": 10**400}, {"terms": []}, {"terms": {"x": None}},
    ],
)  # fmt: skip
def test_what_does_not(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        require({**GOOD, **change}, FORM)
    with pytest.raises(ValueError, match="terms is missing"):
        require({name: value for name, value in GOOD.items() if name != "terms"}, FORM)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "1" * 10_000, b"\xff", b'"\xff"', "", "{", "\0"]
)
def test_what_is_no_document(text):
    with pytest.raises(ValueError):  # noqa: PT011  (of json, of int, or our own)
        parse(text)
