"""The typed reader of JSON: what fits, what does not, and that nothing else than ValueError comes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest

from nst.errors import SettingsError
from nst.files import parse, read_as, read_json, require

FORM = {
    "name": str,
    "size": [int],
    "share?": float,
    "shown": (bool, None),
    "terms": {str: float},
    "any": object,
}
GOOD = {"name": "a", "size": [1, 2], "shown": None, "terms": {"x": 1}, "any": [{}]}


@dataclass(frozen=True)
class Part:
    word: Literal["a", "b"]
    size: tuple[int, int] = (0, 0)

    def __post_init__(self):
        if sum(self.size) > 9:
            raise SettingsError("too large")


@dataclass(frozen=True)
class Whole:
    name: str
    part: Part | None
    parts: tuple[Part, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    names: Sequence[str] = ()
    either: str | Sequence[str] = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def test_a_dataclass_is_read_by_its_fields():
    whole = Whole(
        "a", Part("b", (1, 2)), (Part("a"), Part("b")), {"x": 1, "y": 0.5}, ("n",), ("m", "o"), {"z": [1]}
    )
    assert read_as(Whole, parse(json.dumps(asdict(whole)))) == whole
    assert read_as(Whole, {"name": "a", "part": None, "either": "m"}) == Whole("a", None, either="m")


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1}, {"part": []}, {"part": {"word": "c"}}, {"part": {"word": ["a"]}},
        {"part": {"word": "a", "size": [1]}},
        {"part": {"word": "a", "size": [1, True]}}, {"parts": {}}, {"parts": [None]}, {"shares": {"x": "1"}},
        {"shares": []}, {"names": "n"}, {"names": [1]}, {"either": [1]}, {"either": None}, {"more": []},
    ],
)  # fmt: skip
def test_what_is_no_such_dataclass(change):
    good = {"name": "a", "part": None}
    with pytest.raises(ValueError, match=next(iter(change))):
        read_as(Whole, good | change)
    with pytest.raises(ValueError, match="part is missing"):
        read_as(Whole, {"name": "a"})
    for document in ([], None, "a", good | {"other": 1}):
        with pytest.raises(ValueError, match="not what it must be"):
            read_as(Whole, document)


def test_what_a_dataclass_refuses_is_told():
    with pytest.raises(SettingsError, match="too large"):
        read_as(Part, {"word": "a", "size": [5, 5]})


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
