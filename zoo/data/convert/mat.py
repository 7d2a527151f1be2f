"""Numbers and words out of MATLAB's .mat files of version 5: as much of the format as data sets need, and no more.

scipy.io.loadmat reads all of it, and ends the process (SIGSEGV) at many a damaged file; here damage is an error, and
nothing but numbers and words is ever made. Source: MathWorks, "MAT-file format", version 5; checked against scipy.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

_T = TypeVar("_T")
Number = np.ndarray[tuple[int, ...], np.dtype[np.generic]]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_STRUCT, _CHAR = 2, 4  # classes of arrays
_TEXT = {1: "latin-1", 2: "latin-1", 16: "utf-8"}  # else two bytes a letter
_LARGEST = 2**28  # bytes, uncompressed: a file that grows beyond is none of labels
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}


class _Element(NamedTuple):
    type: int
    content: bytes


class _Array(NamedTuple):
    """An array's head, and what follows it."""

    kind: int
    shape: tuple[int, ...]
    name: str
    rest: list[_Element]


def read_field(path: Path, variable: str, field: str) -> Number:
    """The numbers in one field of a 1 x 1 struct.

    Raises:
        ValueError: damaged, another version, or no such variable, field or numbers.
    """
    return _read(path, variable, lambda found, order: _numbers(_field(found, field, order), order))


def read_array(path: Path, variable: str) -> Number:
    """The numbers of a variable.

    Raises:
        ValueError: damaged, another version, or no such variable or numbers.
    """
    return _read(path, variable, _numbers)


def read_columns(path: Path, variable: str, fields: tuple[str, ...]) -> list[tuple[float | str, ...]]:
    """Some fields of every element of an array of structs, each a number or a word.

    Raises:
        ValueError: damaged, another version, or no such variable or fields, or other things in them.
    """
    return _read(path, variable, lambda found, order: _columns(found, fields, order))


def _read(path: Path, variable: str, meaning: Callable[[_Array, str], _T]) -> _T:
    """What a variable means, in its file's order of bytes."""
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no MAT-file of version 5")
    try:
        for element in _elements(content[_HEADER:], order):
            whole = _uncompressed(element, order)
            if whole.type == _MATRIX and (found := _array(whole, order)).name == variable:
                return meaning(found, order)
    except (struct.error, zlib.error, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"damage: {error}") from error
    raise ValueError(f"no variable {variable}")


def _elements(content: bytes, order: str) -> Iterator[_Element]:
    """A tag of 8 bytes, the content, and zeros up to a multiple of 8; up to 4 bytes have room within the tag."""
    at = 0
    while at < len(content):
        first, size = struct.unpack_from(f"{order}II", content, at)
        if first >> 16:
            kind, size, start, end = first & 0xFFFF, first >> 16, at + 4, at + 8
        else:
            kind, start = first, at + 8
            end = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > min(end, len(content)):
            raise ValueError(f"an element of {size} bytes where {len(content) - start} are left")
        yield _Element(kind, content[start : start + size])
        at = end


def _uncompressed(element: _Element, order: str) -> _Element:
    if element.type != _COMPRESSED:
        return element
    stream = zlib.decompressobj()
    content = stream.decompress(element.content, _LARGEST)
    if not stream.eof:
        raise ValueError(f"a compressed element that does not end within {_LARGEST:,} bytes")
    return next(_elements(content, order))


def _array(element: _Element, order: str) -> _Array:
    parts = list(_elements(element.content, order))
    if element.type != _MATRIX or len(parts) < 3:
        raise ValueError(f"an element of type {element.type} with {len(parts)} parts where an array belongs")
    flags, shape, name, *rest = parts
    kind = struct.unpack_from(f"{order}I", flags.content)[0] & 0xFF
    return _Array(kind, struct.unpack(f"{order}{len(shape.content) // 4}i", shape.content), name.content.decode(), rest)


def _field(array: _Array, field: str, order: str) -> _Array:
    """Names come in one text, each with room for the longest; then values in the same order."""
    if array.kind != _STRUCT or array.shape != (1, 1) or len(array.rest) < 2:
        raise ValueError(f"{array.name} is no struct of 1 x 1")
    names, values = _names(array, order), array.rest[2:]
    if field not in names[: len(values)]:
        raise ValueError(f"{array.name} has no field {field}")
    return _array(values[names.index(field)], order)


def _names(array: _Array, order: str) -> list[str]:
    room = struct.unpack(f"{order}i", array.rest[0].content)[0]
    text = array.rest[1].content
    return [text[at : at + room].rstrip(b"\0").decode() for at in range(0, len(text), max(room, 1))]


def _columns(array: _Array, fields: tuple[str, ...], order: str) -> list[tuple[float | str, ...]]:
    """All fields of the first element, then all of the next."""
    if array.kind != _STRUCT or len(array.rest) < 2:
        raise ValueError(f"{array.name} is no array of structs")
    names, values = _names(array, order), array.rest[2:]
    if missing := [field for field in fields if field not in names]:
        raise ValueError(f"{array.name} has no field {missing[0]}")
    if len(values) != len(names) * np.prod(array.shape, dtype=float):
        raise ValueError(f"{len(values)} values for {array.name} of {' x '.join(map(str, array.shape))}")
    places = [names.index(field) for field in fields]
    starts = range(0, len(values), len(names))
    return [tuple(_value(_array(values[start + place], order), order) for place in places) for start in starts]


def _value(array: _Array, order: str) -> float | str:
    """A number, or a word."""
    if array.kind == _CHAR and array.rest:
        return array.rest[0].content.decode(_TEXT.get(array.rest[0].type, f"utf-16-{'le' if order == '<' else 'be'}"))
    numbers = _numbers(array, order)
    if numbers.size != 1:
        raise ValueError(f"{numbers.size} numbers where one belongs")
    return float(numbers.item())


def _numbers(array: _Array, order: str) -> Number:
    """Columns first, as MATLAB has them."""
    if not array.rest or array.rest[0].type not in _TYPES:
        raise ValueError("no numbers in the field")
    values = np.frombuffer(array.rest[0].content, order + _TYPES[array.rest[0].type])
    if min(array.shape, default=0) < 1 or values.size != np.prod(array.shape, dtype=float):
        raise ValueError(f"{values.size} numbers for a matrix of {' x '.join(map(str, array.shape))}")
    return values.reshape(array.shape, order="F")
