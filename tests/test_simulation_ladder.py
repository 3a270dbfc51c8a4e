"""A ladder of one run reads the same on every Python: what passes at one instant stands end by end."""

from __future__ import annotations

from midspan.simulation.run_report import Mark, Rung, _end_by_end


def down(at_s: float, text: str, to: str) -> Rung:
    return Rung(at_s, "server", to, text, at_s + 0.01)


ENTRY_A, ACK_A, ENTRY_B = down(0.5, "entry", "a"), down(0.5, "ack", "a"), down(0.5, "entry", "b")
HAS_A, HAS_B = (Mark(0.51, who, "delivered a1") for who in "ab")
SAFE_A = Mark(0.51, "a", "acknowledged a1")


def test_an_instant_reads_the_same_whoever_was_served_in_between() -> None:
    """As python-socketio writes in 3.11, and in 3.12."""
    in_311: list[Rung | Mark] = [ENTRY_A, ACK_A, ENTRY_B, HAS_A, SAFE_A, HAS_B]
    in_312: list[Rung | Mark] = [ENTRY_A, ENTRY_B, ACK_A, HAS_A, HAS_B, SAFE_A]
    assert list(_end_by_end(in_311)) == list(_end_by_end(in_312)) == in_311


def test_the_order_of_one_end_stays() -> None:
    assert list(_end_by_end([ACK_A, ENTRY_B, ENTRY_A])) == [ACK_A, ENTRY_A, ENTRY_B]


def test_what_happened_in_between_stays_in_between() -> None:
    """Another instant, a fault or a mark among messages: each ends what stands together."""
    durable, fault = Mark(0.5, "server", "durable a1"), Mark(0.5, "a", "cut", "fault")
    for between in (down(0.6, "entry", "b"), durable):
        steps = [ENTRY_A, ENTRY_B, between, ACK_A]
        assert list(_end_by_end(steps)) == steps
    steps = [durable, fault, Mark(0.5, "server", "durable b1")]
    assert list(_end_by_end(steps)) == steps
