"""The ledger of claims: a verdict names its implementation and version, and is entered once."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.grading import predictions
from midspan.grading.predictions import CLAIMS, claims, ledger, verdict


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of this test's own."""
    monkeypatch.setattr(predictions, "_entered", {})


def test_a_verdict_says_of_whom() -> None:
    """The installed package with its version, anything else as it is written; each outcome reads as a sentence."""
    ours = f"websockets {version('websockets')}"
    said = [
        verdict("F1", "we detect a drop", "does not hold", "websockets", "its pings do"),
        verdict("F2", "buffering", "holds only in", "socket.io-client 4.8.4", "the others raise"),
        verdict("S2", "", "holds only when", "python-socketio", "a client polls"),
        verdict("L3", "", "holds", "", "each refuses the other"),
    ]
    assert list(map(str, said)) == [
        f"F1, we detect a drop: does not hold for {ours}: its pings do",
        "F2, buffering: holds only in socket.io-client 4.8.4: the others raise",
        f"S2 holds only when a client polls (python-socketio {version('python-socketio')})",
        "L3 holds: each refuses the other",
    ]


def test_a_long_verdict_is_shown_over_two_lines() -> None:
    """In a cell and in the ledger; as a text it is one line."""
    one = verdict("O2", "smaller memory per connection", "holds only when", "websockets, python-socketio", "so " * 16)
    first, second = repr(one).splitlines()
    assert 80 < len(first) <= predictions.WIDE < len(str(one))
    assert second == f"    ({one.of})"
    assert f"{first} {second.strip()}" == " ".join(str(one).split())
    assert repr(ledger()) == str(ledger()) == repr(one)


def test_the_ledger_has_the_claims_order_and_each_row_once() -> None:
    """A cell that runs twice enters its verdict once; the last one stands."""
    assert str(ledger()) == "No verdict yet."
    verdict("F2", "buffering", "holds", "x", "first")
    verdict("F1", "a row", "holds", "x", "one")
    verdict("F2", "buffering", "does not hold", "x", "second")
    assert [(ruling.claim, ruling.relation) for ruling in ledger()] == [("F1", "one"), ("F2", "second")]
    assert len(ledger()) == 2


def test_the_claims_have_their_ids() -> None:
    """Twenty-three, each a letter and a number, each with words."""
    assert len(CLAIMS) == 23
    assert all(re.fullmatch(r"[LMFSOW]\d", claim) and len(words) > 20 for claim, words in CLAIMS.items())


def test_the_claims_are_shown_with_their_sentences_and_their_verdicts() -> None:
    """A verdict stands below its claim, in lines that JupyterLab does not break."""
    verdict("L4", "reconnection", "holds", "python-socketio, websockets", "both connect again; neither sends again")
    lines = str(claims("L")).splitlines()
    assert [line[:2] for line in lines if not line.startswith(" ")] == ["L1", "L2", "L3", "L4"]
    assert lines[-2].startswith("      L4, reconnection: holds for")
    assert max(map(len, str(claims()).splitlines())) <= predictions.WIDE
    assert all(claim in str(claims()) for claim in CLAIMS)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: verdict("Z9", "", "holds", "", ""), "Expected a claim, one of L1, L2"),
        (lambda: claims("Z"), "Expected one of L, M, F, S, O, W"),
        (lambda: verdict("F1", "", _any("perhaps"), "", ""), "Expected one of holds, holds only in"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)


def _any(value: object) -> Any:
    return value
