"""The one way in which midspan says no.

A learner meets this text more often than any other of ours, so it has four parts, always in the same order:
what was expected, what came, and what to do now. Whose fault it is follows from who raised it: a `Refusal` is
always about an argument that the caller passed.
"""

from __future__ import annotations

SHOWN_CHARACTERS = 120  # a value that came in is shown up to here: a learner pastes whole files by mistake


class Refusal(ValueError):
    """An argument that cannot be used.

    Args:
        expected: what would have been right, as a noun phrase ("a port from 1 to 65535").
        came: the value that came; shown by its `repr`, shortened. `Words` are shown as they stand.
        do: what to do now, as a sentence without its full stop.
    """

    def __init__(self, expected: str, came: object, do: str) -> None:
        self.expected, self.came, self.do = expected, came, do
        super().__init__(f"Expected {expected}, but got {shown(came)}. {do}.")

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this in place of a traceback: one sentence is enough."""
        return [f"{type(self).__name__}: {self}"]


class Words(str):
    """What came, put into words already: shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def need(condition: bool, expected: str, came: object, do: str) -> None:
    """Raise a `Refusal` unless `condition` holds."""
    if not condition:
        raise Refusal(expected, came, do)


def shown(value: object) -> str:
    """`repr(value)`, shortened in the middle to at most `SHOWN_CHARACTERS` characters."""
    text = repr(value)
    half = (SHOWN_CHARACTERS - 5) // 2
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:half]} ... {text[-half:]}"
