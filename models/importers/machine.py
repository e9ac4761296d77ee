"""The few instructions of a pickle that a dictionary of tensors needs, run without Python's own unpickler.

A pickle is a program for a machine with a stack. Here it has fewer instructions, none of which runs anything of the
file's choice, and no more than `_MAX_STEPS` of them are run. Nothing that a file nests is ever hashed, compared or
printed: a tuple that holds another one twice, thirty times over, is small in the file and endless to walk through.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from nst.errors import WeightsError

_MAX_STEPS = 30_000  # A VGG19 takes 3 thousand
_MAX_LENGTH = 1 << 16  # bytes of a string or digits of a number

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_NAMES = """
INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE
SHORT_BINUNICODE BINBYTES SHORT_BINBYTES
"""
_LITERALS = frozenset(_NAMES.split())
_KEYS = (str, bytes, int, float, type(None))


def run(
    stream: BinaryIO,
    find: Callable[[str, str], Any],
    call: Callable[[Any, Any], Any],
    load: Callable[[Any], Any],
) -> Any:
    """The object of the pickle that starts here, in memory; the stream then stands after it.

    `find` makes of (module, name) what stands for it, or raises `WeightsError` for what is refused; `call` makes an
    object of what it gave and a tuple of arguments; `load` gives an external object by its name. WeightsError also for
    a refused instruction, by name, or too many of them; ValueError, IndexError, KeyError: not a proper pickle.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        mark = marks.pop()
        taken = stack[mark:]
        del stack[mark:]
        return taken

    argument: Any
    for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        if step > _MAX_STEPS or (isinstance(argument, str | bytes) and len(argument) > _MAX_LENGTH):
            raise WeightsError("a pickle of an absurd number of instructions is refused")
        match name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "POP" | "POP_MARK":
                since_mark() if name == "POP_MARK" or (marks and marks[-1] == len(stack)) else stack.pop()
            case "DUP":
                stack.append(stack[-1])
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "PUT" | "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                place = len(memo) if name == "MEMOIZE" else argument
                if place > _MAX_STEPS:
                    raise WeightsError("a pickle with an absurd number of objects is refused")
                memo[place] = stack[-1]
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack[-int(name[-1]) :] = [tuple(stack[-int(name[-1]) :])]
            case "LIST":
                stack.append(since_mark())
            case "APPEND":
                item = stack.pop()
                _list(stack[-1]).append(item)
            case "APPENDS":
                items = since_mark()
                _list(stack[-1]).extend(items)
            case "DICT":
                stack.append(_filled({}, since_mark()))
            case "SETITEM":
                pair = [stack.pop(-2), stack.pop()]
                _filled(stack[-1], pair)
            case "SETITEMS":
                pairs = since_mark()
                _filled(stack[-1], pairs)
            case "GLOBAL":
                stack.append(find(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(find(_text(stack.pop(-2)), _text(stack.pop())))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(call(stack.pop(), arguments))
            case "BUILD":
                stack.pop()  # the state of a parameter or a dictionary: nothing that a tensor needs
            case "BINPERSID":
                stack.append(load(stack.pop()))
            case _ if name in _LITERALS:
                stack.append(argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case _ if name in _EMPTY:
                stack.append(_EMPTY[name]())
            case _:
                raise WeightsError(f"pickle instruction {name} is refused: only tensors are read")
    raise ValueError("a pickle without an end")


def filled(pairs: Any) -> dict[Any, Any]:
    """The dictionary of a sequence of pairs, as pickles of Python 2 have it."""
    return _filled({}, [part for key, value in pairs for part in (key, value)])


def _filled(target: Any, flat: list[Any]) -> dict[Any, Any]:
    """The dictionary `target` with key, value, key, value, ... in it."""
    if not isinstance(target, dict) or len(flat) % 2:
        raise ValueError("items for what is no dictionary")
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        if not isinstance(key, _KEYS):
            raise WeightsError("a dictionary whose keys are neither text nor numbers is refused")
        target[key] = value
    return target


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("an item for what is no list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a name that is no text")
    return value
