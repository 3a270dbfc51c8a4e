"""Values in words: how a check shows what it expected and what came.

The text must be equal on each run, short, and never fail: a learner's `__repr__` may raise, return a megabyte or hold
an address.
"""

from __future__ import annotations

import re

LONGEST = 160  # characters of a value that a transcript shows; about two lines of a notebook
MOST_BYTES = 48  # bytes shown in hex before they are cut in the middle: three rows of sixteen
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def in_words(value: object) -> str:
    """One line for a value: bytes in hex with their number, all else by `repr`, shortened in the middle."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _hex(bytes(value))
    if isinstance(value, BaseException):
        return error_in_words(value)
    try:
        text = repr(value)
    except BaseException as error:  # the learner's own __repr__: whatever it raises, we still owe a sentence
        return f"a {type(value).__name__} whose repr() raises {type(error).__name__}"
    return _shortened(ADDRESS.sub("", text))


def error_in_words(error: BaseException) -> str:
    """`Type: text` of an exception, shortened."""
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be shown)"
    name = type(error).__name__
    return _shortened(ADDRESS.sub("", f"{name}: {text}" if text else name))


def difference(got: object, expected: object) -> str:
    """Where two byte or text values part, as a remark; "" where that is no help."""
    pair = (got, expected)
    if not (all(isinstance(v, (bytes, bytearray)) for v in pair) or all(isinstance(v, str) for v in pair)):
        return ""
    assert isinstance(got, (bytes, bytearray, str))
    assert isinstance(expected, (bytes, bytearray, str))
    unit = "character" if isinstance(got, str) else "byte"
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), None)
    if at is not None:
        return f"first difference at {unit} {at}"
    return f"{len(got)} {unit}s instead of {len(expected)}" if len(got) != len(expected) else ""


def _hex(data: bytes) -> str:
    number = f"({len(data)} byte{'s' * (len(data) != 1)})"
    if len(data) <= MOST_BYTES:
        return f"{data.hex(' ')} {number}".strip()
    half = MOST_BYTES // 2
    return f"{data[:half].hex(' ')} ... {data[-half:].hex(' ')} {number}"


def _shortened(text: str) -> str:
    text = text.replace("\n", "\\n")
    half = (LONGEST - 5) // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"
