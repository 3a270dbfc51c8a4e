"""The ledger of claims: a verdict stands on a test, names its implementation and version, and is entered once."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

from midspan.conclusions import verdicts as module
from midspan.conclusions.verdicts import CLAIMS, ClaimOutcome, Conclusion, Seen, claims, conclusion, ledger, verdict
from midspan.errors import Refusal


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of this test's own."""
    monkeypatch.setattr(module, "_entered", {})


def concluded(
    claim: str, row: str, outcome: ClaimOutcome, of: str, relation: str, control: str = "it never holds"
) -> Conclusion:
    """A conclusion that holds when its evidence is true."""
    return conclusion(claim, row, outcome, of, relation, control=control)(lambda evidence: Seen(evidence, "1 of 2"))


def test_a_verdict_says_of_which_implementation() -> None:
    """The installed package with its version, anything else as it is written; each outcome reads as a sentence."""
    ours = f"websockets {version('websockets')}"
    said = [
        concluded("F1", "we detect a drop", "does not hold", "websockets", "its pings do"),
        concluded("F2", "buffering", "holds only in", "socket.io-client 4.8.4", "the others raise"),
        concluded("S2", "", "holds only when", "python-socketio", "a client polls"),
        concluded("L3", "", "holds", "", "each refuses the other"),
    ]
    assert [verdict(one, True).sentence for one in said] == [
        f"F1, we detect a drop: does not hold for {ours}: its pings do",
        "F2, buffering: holds only in socket.io-client 4.8.4: the others raise",
        f"S2 holds only when a client polls (python-socketio {version('python-socketio')})",
        "L3 holds: each refuses the other",
    ]


def test_a_verdict_shows_what_was_seen_and_its_control() -> None:
    """Below the verdict, a line each; a long line is broken at a space, and never inside of a name and its version."""
    one = verdict(concluded("O2", "smaller memory", "holds only when", "websockets, python-socketio", "so " * 16), True)
    lines = repr(one).splitlines()
    assert lines[1:] == [f"    ({one.of})", "    seen: 1 of 2", "    false in the control: it never holds"]
    assert max(map(len, lines)) <= module.WIDE
    assert repr(ledger()) == str(ledger()) == repr(one)


def test_a_conclusion_that_does_not_hold_here_is_no_verdict() -> None:
    """The error says what was expected, what was seen, and what to do; nothing is entered."""
    with pytest.raises(AssertionError) as failed:
        verdict(concluded("F1", "detect a drop", "holds", "websockets", "its pings notice"), False)
    assert "F1, detect a drop: expected that its pings notice. Seen: 1 of 2. Run the cells" in str(failed.value)
    assert len(ledger()) == 0


def test_the_ledger_has_the_claims_order_and_each_row_once() -> None:
    """A cell that runs twice enters its verdict once; the last one stands."""
    assert str(ledger()) == "No verdict yet."
    for claim, row, words in (("F2", "buffering", "first"), ("F1", "a row", "one"), ("F2", "buffering", "second")):
        verdict(concluded(claim, row, "holds", "x", words), True)
    assert [(ruling.conclusion.claim, ruling.conclusion.relation) for ruling in ledger()] == [
        ("F1", "one"),
        ("F2", "second"),
    ]


def test_the_claims_have_their_ids() -> None:
    """Twenty-three, each a letter and a number, each with words."""
    assert len(CLAIMS) == 23
    assert all(re.fullmatch(r"[LMFSOW]\d", claim) and len(words) > 20 for claim, words in CLAIMS.items())


def test_the_claims_are_shown_with_their_sentences_and_their_verdicts() -> None:
    """A verdict stands below its claim, in lines that JupyterLab does not break."""
    verdict(concluded("L4", "reconnection", "holds", "python-socketio, websockets", "both connect again"), True)
    lines = str(claims("L")).splitlines()
    assert [line[:2] for line in lines if not line.startswith(" ")] == ["L1", "L2", "L3", "L4"]
    assert lines[-3].startswith("      L4, reconnection: holds for")
    assert max(map(len, str(claims()).splitlines())) <= module.WIDE
    assert all(claim in str(claims()) for claim in CLAIMS)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: concluded("Z9", "", "holds", "", ""), "Expected a claim, one of L1, L2"),
        (lambda: concluded("F1", "", _any("perhaps"), "", ""), "Expected one of holds, holds only in"),
        (lambda: concluded("F1", "", "holds", "", "", control=""), "Expected a control in words"),
        (lambda: claims("Z"), "Expected one of L, M, F, S, O, W"),
        (lambda: verdict(_any("L1")), "Expected a Conclusion"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(attempt: Callable[[], object], words: str) -> None:
    """What was expected, what came, what to do."""
    with pytest.raises(Refusal) as refused:
        attempt()
    assert words in str(refused.value)


def _any(value: object) -> Any:
    return value
