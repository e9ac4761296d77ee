"""What a field of `nst.settings.Settings` carries: its default, what it may be, and help.

A choice is declared once, by one of the helpers below. The checks of `Settings`, its docstring and the options of the
command line are read from there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import Field, field
from typing import Any, Literal, NamedTuple, TypeAlias

from nst.errors import SettingsError

__all__ = ["Rule", "choice", "flag", "integer", "number", "numbers", "require_known", "rule_of", "some"]

Kind: TypeAlias = Literal["word", "number", "integer", "flag", "list", "layers"]

LOSSES = ("content", "style", "losses", "")
"""Groups of settings that the losses are made of; the last are conventions of other programs."""


class Rule(NamedTuple):
    """What may be chosen, and how it is told.

    Attributes:
        kind: How it is typed.
        help: What it is, in one sentence that names neither the default nor the range.
        want: What a value must be, as an error message says it: "a number above 0".
        allows: Whether something other than None is such a value.
        words: The words that may be typed.
        limits: The range of a number, for the help page.
        read: From what is typed to the value; ValueError for what is none. None where `kind` says it all.
        none: What None stands for; empty where a value is needed.
        group: The group of options that it is one of on the command line; empty for what the library alone has.
        metavar: What the help page calls a value; empty for the kind's own word.
        in_step: Whether a step that is exported as a file has it; None: its group tells, see `exported`.
    """

    kind: Kind
    help: str
    want: str
    allows: Callable[[object], bool]
    words: tuple[Any, ...] = ()
    limits: str = ""
    read: Callable[[str], object] | None = None
    none: str = ""
    group: str = ""
    metavar: str = ""
    in_step: bool | None = None

    @property
    def exported(self) -> bool:
        """Whether an exported step has it: what makes the losses has, what the program that runs it decides has not."""
        return self.group in LOSSES if self.in_step is None else self.in_step

    def require(self, name: str, value: object) -> None:
        """Check a value of `name`, as people say it.

        Raises:
            SettingsError: it is not allowed.
        """
        if not (self.none if value is None else self.allows(value)):
            raise SettingsError(f"{name} is {value!r}: it must be {self.want}")


def rule_of(declared: Field[Any]) -> Rule:
    """The rule of a field of `Settings`."""
    rule: Rule = declared.metadata["rule"]
    return rule


def require_known(
    given: Iterable[str], known: Collection[str], elsewhere: Collection[str] = (), where: str = ""
) -> None:
    """Check the names of arguments.

    Args:
        given: the names.
        known: those that exist.
        elsewhere: those that another function takes.
        where: which one, for the error message.

    Raises:
        SettingsError: one that does not exist, with the most similar one that does.
    """
    from difflib import get_close_matches

    for name in given:
        if name in elsewhere:
            raise SettingsError(f"{name} is no setting: give it to {where}")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(sorted(known))}"
            raise SettingsError(f"unknown setting {name!r}: {fix}")


def declare(default: Any, rule: Rule) -> Any:
    """A field with a rule; a default that is a function makes the value."""
    if callable(default):
        return field(default_factory=default, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def choice(default: Any, words: tuple[Any, ...], *, own: str = "", **more: Any) -> Any:
    """One of some words; `own` is the word that stands for an object of the caller's, and cannot be typed."""
    listed = [str(word) for word in words]
    want = ", ".join([*listed, "or one of your own"]) if own else f"{', '.join(listed[:-1])} or {listed[-1]}"
    allowed = (*words, own) if own else words

    def allows(value: object) -> bool:
        return isinstance(value, (str, int)) and not isinstance(value, bool) and value in allowed

    return declare(default, Rule("word", want=want, allows=allows, words=words, **more))


def some(default: tuple[str, ...], words: tuple[str, ...], **more: Any) -> Any:
    """Any number of some words."""

    def allows(value: object) -> bool:
        return isinstance(value, tuple) and all(isinstance(word, str) and word in words for word in value)

    want = f"a list of {' and '.join(words)}, or of one or none of them"
    return declare(default, Rule("list", want=want, allows=allows, words=words, **more))


def flag(default: bool, **more: Any) -> Any:
    """True or false."""
    return declare(
        default, Rule("flag", want="true or false", allows=lambda value: isinstance(value, bool), **more)
    )


def number(
    default: float | None,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
    **more: Any,
) -> Any:
    """A finite number within a range."""
    return _bounded("number", default, _range(at_least, above, at_most, below), more)


def integer(default: int | None, *, at_least: int, at_most: float = math.inf, **more: Any) -> Any:
    """An integer within a range."""
    return _bounded("integer", default, _range(at_least=at_least, at_most=at_most), more)


def numbers(
    default: Any,
    item: type[int] | type[float],
    *,
    at_least: float,
    at_most: float = math.inf,
    want: str = "",
    words: tuple[str, ...] = (),
    one: bool = True,
    many: bool = True,
    rest: bool = False,
    **more: Any,
) -> Any:
    """A number, or a list of them, or a word.

    Args:
        default: Any of these.
        item: Type of the numbers.
        at_least: The least of them that is allowed.
        at_most: The largest, for a single number.
        want: What a value must be, for error messages; unless given, one of the words or such a number.
        words: Words that may stand in place of numbers.
        one: Whether a number may stand alone; a list of one is then typed with a comma behind it.
        many: Whether a list is allowed.
        rest: Whether a list may end with "...", which repeats the number before it.
        more: Attributes of the `Rule`.
    """
    is_item = _is_integer if item is int else _is_number

    def fits(value: Any) -> bool:
        return is_item(value) and bool(at_least <= value <= at_most)

    def allows(value: object) -> bool:
        if isinstance(value, str):
            return value in words
        if isinstance(value, tuple):
            given = value[:-1] if rest and value[-1:] == ("...",) else value
            return many and bool(given) and all(fits(number) for number in given)
        return one and fits(value)

    def read(text: str) -> object:
        if text in words:
            return text
        repeated = rest and text.endswith(",...")
        listed = text.removesuffix(",...") if repeated else text
        found = tuple(item(word) for word in listed.replace(" ", ",").split(",") if word)
        if not found or (len(found) > 1 and not many):
            raise ValueError
        if repeated:
            return (*found, "...")
        alone = one and len(found) == 1 and not listed.rstrip().endswith(",")
        return found[0] if alone else found

    if not want:
        more["limits"] = _range(at_least=at_least, at_most=at_most)[1]
        want = f"{', '.join(words)}, or {'an integer' if item is int else 'a number'} {more['limits']}"
    rule = Rule("list" if many else "word", want=want, allows=allows, words=words, read=read, **more)
    return declare(default, rule)


Range: TypeAlias = tuple[Callable[[Any], bool], str]
"""Whether a finite number lies within bounds, and the bounds in words."""


def _range(
    at_least: float = -math.inf, above: float = -math.inf, at_most: float = math.inf, below: float = math.inf
) -> Range:
    def inside(value: Any) -> bool:
        return bool(at_least <= value <= at_most and above < value < below)

    if math.isfinite(at_least) and math.isfinite(at_most):
        return inside, f"from {at_least} to {at_most}"
    words = f"{at_least} or more" if math.isfinite(at_least) else f"above {above}"
    for bound, name in ((at_most, "at most"), (below, "below")):
        words += f", {name} {bound}" if math.isfinite(bound) else ""
    return inside, words


def _bounded(kind: Literal["number", "integer"], default: Any, bounds: Range, more: Mapping[str, Any]) -> Any:
    is_item, noun = (_is_integer, "an integer") if kind == "integer" else (_is_number, "a number")
    inside, limits = bounds
    want = f"{noun}, {limits}" if limits[0].isdigit() else f"{noun} {limits}"

    def allows(value: object) -> bool:
        return is_item(value) and inside(value)

    return declare(default, Rule(kind, want=want, limits=limits, allows=allows, **more))


def _is_number(value: object) -> bool:
    """A finite one; an integer so large that no float holds it is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
