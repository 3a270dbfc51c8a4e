"""The predicates are judged themselves: on a good history all hold, and each bad one violates its own and no other."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from midspan.errors import Refusal
from midspan.simulation import PREDICATES, Bounds, History, HistoryRecord, judge
from midspan.simulation.history import What

BOUNDS = Bounds(detection_s=4.0, recovery_s=10.0, outbox=8, dedupe=4, replay=4)


def record(at_s: float, who: str, what: What, message: str = "", detail: str = "", value: float = 0.0) -> HistoryRecord:
    return HistoryRecord(at_s, who, what, message, detail, value)


# Two clients; a1 and b1 are sent, a's link is cut before a1 is acknowledged, b's goes silent; c is revoked, and b2
# is sent when all faults are over.
GOOD = [
    record(0.0, "a", "attempt"),
    record(0.0, "b", "attempt"),
    record(0.1, "a", "opened"),
    record(0.1, "b", "opened"),
    record(0.1, "a", "reset"),
    record(0.1, "b", "reset"),
    record(0.2, "a", "sent", "a1"),
    record(0.3, "server", "durable", "a1"),
    record(0.31, "a", "fault", detail="cut before the answer to a's message 2 up"),
    record(0.31, "a", "closed", detail="1006"),
    record(0.32, "b", "delivered", "a1"),
    record(0.4, "b", "sent", "b1"),
    record(0.5, "server", "durable", "b1"),
    record(0.6, "b", "acknowledged", "b1"),
    record(0.61, "b", "delivered", "b1"),
    record(0.7, "a", "attempt"),
    record(0.8, "a", "opened"),
    record(0.9, "a", "acknowledged", "a1"),
    record(0.91, "a", "delivered", "a1"),
    record(0.92, "a", "delivered", "b1"),
    record(0.93, "a", "sent", "a2"),
    record(1.0, "server", "durable", "a2"),
    record(1.1, "a", "acknowledged", "a2"),
    record(1.11, "a", "delivered", "a2"),
    record(1.12, "b", "delivered", "a2"),
    record(2.0, "b", "fault", detail="half-open before b's message 3 up leaves", value=math.inf),
    record(2.0, "b", "silent", value=math.inf),
    record(5.5, "b", "closed", detail="1006"),
    record(5.6, "b", "attempt"),
    record(5.7, "b", "opened"),
    record(6.0, "c", "attempt"),
    record(6.1, "c", "opened"),
    record(6.2, "c", "revoked"),
    record(6.2, "c", "closed", detail="1006"),
    record(8.2, "b", "sent", "b2"),
    record(8.3, "server", "durable", "b2"),
    record(8.4, "b", "acknowledged", "b2"),
    record(8.41, "a", "delivered", "b2"),
    record(8.41, "b", "delivered", "b2"),
    record(9.0, "server", "size", detail="replay", value=3),
    record(9.0, "server", "size", detail="dedupe", value=2),
    record(9.0, "a", "size", detail="outbox", value=2),
    record(9.0, "run", "ended"),
]
Edit = Callable[[list[HistoryRecord]], list[HistoryRecord]]


def without(what: What, message: str, who: str = "") -> Edit:
    return lambda records: [
        r for r in records if not (r.what == what and r.message == message and (not who or r.who == who))
    ]


def plus(*more: HistoryRecord) -> Edit:
    return lambda records: sorted([*records, *more], key=lambda r: r.at_s)


def moved(what: What, who: str, message: str, at_s: float) -> Edit:
    def edit(records: list[HistoryRecord]) -> list[HistoryRecord]:
        new = [r._replace(at_s=at_s) if (r.what, r.who, r.message) == (what, who, message) else r for r in records]
        return sorted(new, key=lambda r: r.at_s)

    return edit


def end_at(at_s: float) -> Edit:
    return lambda records: [r._replace(at_s=at_s) if r.at_s == 9.0 else r for r in records]


def both(*edits: Edit) -> Edit:
    def edit(records: list[HistoryRecord]) -> list[HistoryRecord]:
        for each in edits:
            records = each(records)
        return records

    return edit


BAD: dict[str, tuple[Edit, str]] = {
    "no_crash": (
        plus(record(3.0, "server", "crashed", detail="KeyError: 'x'")),
        "The code of server raised at 3.000 s: KeyError: 'x'.",
    ),
    "no_loss": (
        without("delivered", "a2", "b"),
        "a2 was sent at 0.930 s and never reached b; its sender a was told at 1.100 s that it is safe.",
    ),
    "no_duplicate": (
        plus(record(1.2, "b", "delivered", "a2")),
        "a2 was delivered to b at 1.120 s and again at 1.200 s.",
    ),
    "order": (
        lambda records: (
            [
                r._replace(message={"a1": "a2", "a2": "a1"}.get(r.message, r.message))
                if r.what in ("delivered", "durable", "acknowledged")
                else r
                for r in records
                if r.what != "sent"
            ]
            + [
                record(0.15, "a", "sent", "a1"),
                record(0.16, "a", "sent", "a2"),
                record(0.17, "b", "sent", "b1"),
                record(0.18, "b", "sent", "b2"),
            ]
        ),
        "a sent a1 before a2, but a got a2 at 0.910 s and a1 at 1.110 s.",
    ),
    "no_phantom": (
        plus(record(1.3, "b", "delivered", "x9")),
        "x9 was delivered to b at 1.300 s, but no client had sent it.",
    ),
    "ack_after_durable": (
        moved("durable", "server", "a2", 1.105),
        "a2 was acknowledged to a at 1.100 s, durable only at 1.105 s.",
    ),
    "convergence": (
        both(moved("delivered", "b", "a2", 0.605), moved("sent", "a", "a2", 0.595)),
        "b ends with a1 a2 b1 b2, the log with a1 b1 a2 b2.",
    ),
    "liveness": (
        without("acknowledged", "a2"),
        "a2 was sent at 0.930 s and never acknowledged to a.",
    ),
    "authorised": (
        plus(record(6.5, "c", "delivered", "a1")),
        "a1 was delivered at 6.500 s to c, whose right ended at 6.200 s.",
    ),
    "bounded_memory": (
        plus(record(9.0, "a", "size", detail="outbox", value=9)),
        "The outbox of a held 9 entries; its bound is 8.",
    ),
    "bounded_detection": (
        both(moved("closed", "b", "", 7.5), moved("opened", "b", "", 0.1), plus(record(7.6, "b", "opened"))),
        "The connection of b carried nothing from 2.000 s on; it was let go of after 5.500 s, the bound is 4 s.",
    ),
    "bounded_recovery": (
        both(moved("delivered", "b", "b2", 18.8), end_at(19.0)),
        "b2 was delivered (b) 10.600 s after all faults were over; the bound is 10 s.",
    ),
    "no_herd": (
        plus(
            record(7.0, "a", "attempt"),
            record(7.0, "b", "attempt"),
            record(8.0, "a", "attempt"),
            record(8.0, "b", "attempt"),
        ),
        "a and b reconnected at the same moment again, at 8.000 s: their waits are equal.",
    ),
}


def outcomes(records: list[HistoryRecord]) -> dict[str, str]:
    return {name: verdict.outcome for name, verdict in judge(History(tuple(records), BOUNDS)).items()}


def test_on_the_good_history_every_predicate_holds() -> None:
    """Holds, not vacuous: each has something to judge."""
    assert outcomes(GOOD) == dict.fromkeys(PREDICATES, "holds")


def test_every_predicate_has_a_bad_history() -> None:
    assert set(BAD) == set(PREDICATES)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_violates_its_predicate_and_no_other(name: str) -> None:
    """And the reason names the message, the client and the times."""
    edit, reason = BAD[name]
    history = History(tuple(edit(list(GOOD))), BOUNDS)
    verdicts = judge(history)
    assert [each for each, verdict in verdicts.items() if verdict.outcome == "violated"] == [name]
    assert verdicts[name].reason == reason


VACUOUS: list[tuple[str, list[HistoryRecord], str]] = [
    ("no_loss", [r for r in GOOD if r.what != "fault"], "No fault happened."),
    ("no_loss", [r for r in GOOD if r.what != "sent"][:2], "No message was accepted, so none could be at risk."),
    ("order", [record(0.0, "a", "fault"), *(r for r in GOOD if r.what != "fault")], "No message was on its way"),
    ("bounded_detection", [r for r in GOOD if r.what != "silent"], "No open connection was silent"),
    ("authorised", [r for r in GOOD if r.what != "revoked" and r.who != "c"], "No client lost its right."),
    ("bounded_memory", [r for r in GOOD if r.what != "size"], "Neither end reported its sizes."),
    ("no_herd", GOOD[:15], "No client had to reconnect."),
    ("ack_after_durable", [r for r in GOOD if r.what != "acknowledged"], "Nothing was acknowledged."),
]


@pytest.mark.parametrize(("name", "records", "why"), VACUOUS)
def test_a_run_that_tested_nothing_is_vacuous(name: str, records: list[HistoryRecord], why: str) -> None:
    verdict = judge(History(tuple(records), BOUNDS), (name,))[name]
    assert verdict.outcome == "vacuous"
    assert verdict.reason.startswith(why)


def test_what_the_server_lost_after_it_was_safe_is_nobodys_loss() -> None:
    """The store of the server was wiped: what was acknowledged before is excused, what was not is not."""
    wiped = [
        *GOOD[:-4],
        record(8.6, "server", "wiped"),
        record(8.7, "a", "reset"),
        record(8.7, "b", "reset"),
        *GOOD[-4:],
    ]
    assert outcomes(wiped)["no_loss"] == "holds"
    assert outcomes(wiped)["convergence"] == "holds"
    unsafe = [r for r in wiped if (r.what, r.message) != ("acknowledged", "a2")]
    assert outcomes(unsafe)["no_loss"] == "violated"


def test_who_keeps_showing_what_the_log_lost_has_not_converged() -> None:
    wiped = [*GOOD[:-4], record(8.0, "server", "wiped"), record(8.1, "a", "reset"), *GOOD[-4:]]
    assert outcomes(wiped)["convergence"] == "violated"


def test_recovery_is_vacuous_where_nothing_arrives_after_the_faults() -> None:
    """As on a client that never connects again: it was not slow, it did not recover at all."""
    early = [one for one in GOOD if one.message != "b2"]
    assert outcomes(early)["bounded_recovery"] == "vacuous"


def test_a_declined_message_is_neither_lost_nor_allowed_to_arrive() -> None:
    declined = [*GOOD[:-4], record(8.0, "a", "sent", "a3"), record(8.0, "a", "declined", "a3"), *GOOD[-4:]]
    assert "violated" not in outcomes(declined).values()
    assert outcomes([*declined, record(8.5, "b", "delivered", "a3")])["no_phantom"] == "violated"


def test_a_history_survives_json() -> None:
    history = History(tuple(GOOD), BOUNDS)
    assert History.from_json(history.to_json()) == history
    assert str(history).splitlines()[6] == "    0.200 s  a         sent         a1"


def test_what_is_not_a_history_is_refused() -> None:
    with pytest.raises(Refusal, match="the JSON of a history"):
        History.from_json("[]")
