"""Protocol Buffers' wire format, as far as it takes to find something in a file without reading all of it.

protobuf.dev, *Encoding*. A message is a row of fields, each with a number and a type. The library makes an object of
every field before anybody sees the first: 20 MB of empty messages take 1.6 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from nst.errors import WeightsError

_MAX_FIELDS = 20_000
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_SHORT = 1 << 16


@dataclass(frozen=True)
class Field:
    """A field: its number, and its value, or where its bytes are."""

    number: int  # what it is, in its message
    value: int  # of an integer; 0 for bytes
    start: int  # of its bytes in the file
    size: int  # how many there are; 0 for an integer


class Message:
    """Reads the fields of messages in one file, and counts them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._count = file, size, 0

    def fields(self, start: int = 0, size: int | None = None) -> Iterator[Field]:
        """The fields of the message in these bytes, else in the whole file.

        WeightsError: not a message, one that is cut short, or too many fields.
        """
        at, end = start, self._size if size is None else start + size
        while at < end:
            self._count += 1
            if self._count > _MAX_FIELDS:
                raise WeightsError(f"more than {_MAX_FIELDS} fields are no VGG")
            tag, at = self._varint(at)
            number, kind = tag >> 3, tag & 7
            value = length = 0
            if kind == _VARINT:
                value, at = self._varint(at)
            elif kind == _BYTES:
                length, at = self._varint(at)
            elif kind in (_EIGHT, _FOUR):
                length = 8 if kind == _EIGHT else 4
            else:
                raise WeightsError("it is damaged: no message of Protocol Buffers")
            if at + length > end:
                raise WeightsError("the file is truncated")
            yield Field(number, value, at, length)
            at += length

    def text(self, field: Field) -> str:
        """A name; not more than 64 kB of it."""
        self._file.seek(field.start)
        return self._file.read(min(field.size, _SHORT)).decode("utf-8", "replace")

    def integers(self, field: Field) -> list[int]:
        """One integer, or several in one field."""
        if not field.size:
            return [field.value]
        numbers, at = [], field.start
        while at < field.start + min(field.size, _SHORT):
            number, at = self._varint(at)
            numbers.append(number)
        return numbers

    def _varint(self, at: int) -> tuple[int, int]:
        """(a number of 7 bits a byte, where it ends)."""
        self._file.seek(at)
        value = 0
        for place, byte in enumerate(self._file.read(10)):
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value, at + place + 1
        raise WeightsError("the file is truncated")
