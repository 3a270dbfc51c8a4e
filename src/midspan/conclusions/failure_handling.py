"""The conclusions of chapter 03 on messages: what a fault does to them, and which end must make it good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.simulation.guarantees import violates
from midspan.simulation.history import History, HistoryRecord
from midspan.simulation.run_report import RunReport

JAVASCRIPT = "socket.io-client 4.8.4 (recorded)"


@conclusion(
    "F1",
    "decide the retry",
    "holds",
    "websockets",
    "a message on its way at a cut is lost though the client is back, and arrives if the application sends it again",
    control="the client that sends again, in both places",
)
def what_is_not_sent_again_is_lost(alone: RunReport, again: RunReport) -> Seen:
    """One schedule with one cut: the library's reconnecting client, and a client that sends again."""
    arrived = [len(run.history.of("delivered")) for run in (alone, again)]
    opened = sum(record.who == "a" for record in alone.history.of("opened"))
    return Seen(
        arrived[0] == 0 < arrived[1] and opened == 2,
        f"deliveries: {arrived[0]} with {opened} connections, {arrived[1]} where it is sent again",
    )


@conclusion(
    "F1",
    "handle duplicate sends",
    "holds",
    "websockets",
    "a message that is said once, and sent again because its acknowledgement was lost, is delivered twice",
    control="a server that remembers what it has taken",
)
def what_is_sent_again_arrives_twice(run: RunReport) -> Seen:
    """A client that sends again; the link is cut before the acknowledgement."""
    said, counts = len(run.history.of("sent")), _deliveries(run.history)
    return Seen(
        said == 1 and max(counts.values()) == 2, f"{said} message said, {max(counts.values())} deliveries to its client"
    )


@conclusion(
    "F1",
    "restore state",
    "holds",
    "websockets",
    "the library brings nothing of what a client missed, and each of the simple ways to bring it loses or reorders",
    control="a first draft that replays its log; and a client that shows the next number only",
)
def restoring_is_left_to_you(alone: RunReport, *ways: RunReport) -> Seen:
    """The library's client, away while an entry is stored; then the ways of a draft to bring what was missed."""
    broken = sum(bool(way.violated.keys() & {"no_loss", "order"}) for way in ways)
    missed = "no_loss" in alone.violated
    words = (
        f"what was missed is {'lost' if missed else 'brought'}; {broken} of {len(ways)} ways lose or reorder an entry"
    )
    return Seen(missed and broken == len(ways), words)


@conclusion(
    "F1",
    "handle partial messages",
    "does not hold",
    "websockets",
    "the application is handed an answer whole, or, wherever a cut falls inside it, no part of it",
    control="a client that reads the same connection without a library",
)
def halves_are_not_handed_over(handed: Mapping[int, Sequence[int]], size_bytes: int) -> Seen:
    """By bytes of the answer that passed before the cut: the sizes of what the application was handed."""
    words = "; ".join(f"cut after {cut:,} bytes: {sum(sizes):,} bytes" for cut, sizes in handed.items())
    amounts = {sum(sizes) for sizes in handed.values()}
    return Seen(amounts == {0, size_bytes}, f"handed over of {size_bytes:,} bytes: {words}")


@conclusion(
    "F2",
    "buffering",
    "holds only in",
    JAVASCRIPT,
    "with retries, each message that is said while the client is away is acknowledged in the end",
    control="the same outages with python-socketio",
)
def an_outage_is_buffered(histories: Sequence[History]) -> Seen:
    """The histories of an outage at every moment."""
    said = safe = 0
    for history in histories:
        acknowledged = {one.message for one in history.of("acknowledged")}
        messages = [record.message for record in _away(history)]
        said, safe = said + len(messages), safe + sum(message in acknowledged for message in messages)
    return Seen(safe == said > 0, f"{safe} of {said} messages said in an outage were acknowledged in the end")


@conclusion(
    "M3",
    "buffering while reconnecting",
    "does not hold",
    "python-socketio",
    "each message that is said while the client is away is refused, and never arrives",
    control="the same outages with the JavaScript client, with retries",
)
def an_outage_is_refused(histories: Sequence[History]) -> Seen:
    """The histories of an outage at every moment."""
    said = refused = arrived = 0
    for history in histories:
        declined, delivered = ({one.message for one in history.of(what)} for what in ("declined", "delivered"))
        messages = [record.message for record in _away(history)]
        said += len(messages)
        refused += sum(message in declined for message in messages)
        arrived += sum(message in delivered for message in messages)
    return Seen(
        refused == said > 0 == arrived, f"{refused} of {said} messages said in an outage refused, {arrived} arrived"
    )


@conclusion(
    "M3",
    "optional retries",
    "holds only in",
    JAVASCRIPT,
    "with retries, each message that meets a cut is acknowledged in the end, and some arrive twice",
    control="the same cuts with python-socketio; and with the session of lab 3, where none arrives twice",
)
def retries_reach_and_double(histories: Sequence[History]) -> Seen:
    """The histories of a cut at every moment."""
    safe = sum(_all_acknowledged(history) for history in histories)
    twice = sum(max(_deliveries(history).values()) > 1 for history in histories)
    words = f"{len(histories)} cuts: after {safe} all messages are acknowledged, after {twice} one arrives twice"
    return Seen(safe == len(histories) and twice > 0, words)


@conclusion(
    "F2",
    "state recovery",
    "holds only when",
    JAVASCRIPT,
    "the client has received an event before the cut: only then is nothing lost",
    control="the same cuts with python-socketio; and with the session of lab 3, which loses nothing",
)
def recovery_needs_an_event(histories: Sequence[History]) -> Seen:
    """The histories of a cut at every moment."""
    warm = [violates(history, "no_loss") for history in histories if _received_before_the_fault(history)]
    cold = [violates(history, "no_loss") for history in histories if not _received_before_the_fault(history)]
    words = f"after a first event {sum(warm)} of {len(warm)} cuts lose a message, before it {sum(cold)} of {len(cold)}"
    return Seen(not any(warm) and any(cold), words)


@conclusion(
    "F2",
    "recovery asks for the right again",
    "does not hold",
    JAVASCRIPT,
    "a client whose right has ended comes back and is given messages",
    control="the same with python-socketio, whose handler asks on each connection",
)
def the_revoked_are_served(histories: Sequence[History]) -> Seen:
    """The histories of a right that ends, at every moment."""
    served = sum(violates(history, "authorised") for history in histories)
    return Seen(served > 0, f"served again after {served} of {len(histories)} ends of a right")


@conclusion(
    "W3",
    "",
    "holds only when",
    "a first draft, simulated",
    "answers come before the sender's timer ends: then only cuts double a message, and tenfold speed does not help",
    control="a link so slow that the timer ends first: without a cut it doubles, and tenfold speed cures it",
)
def speed_does_not_help(doubled: Mapping[tuple[str, float], int]) -> Seen:
    """By faults ("none", "cuts") and latency: in how many of a hundred runs a message is doubled."""
    slow, fast = sorted({latency_s for _, latency_s in doubled}, reverse=True)
    whole, cut = ([doubled[faults, latency_s] for latency_s in (slow, fast)] for faults in ("none", "cuts"))
    words = (
        f"latency {slow * 1000:g} and {fast * 1000:g} ms: {whole[0]} and {whole[1]} runs doubled without cuts, "
        f"{cut[0]} and {cut[1]} with them"
    )
    return Seen(whole == [0, 0] and 0 < 0.8 * cut[0] < cut[1], words)


def _deliveries(history: History) -> Counter[tuple[str, str]]:
    """By client and message: how often it was delivered."""
    return Counter((record.who, record.message) for record in history.of("delivered"))


def _all_acknowledged(history: History) -> bool:
    return {r.message for r in history.of("sent")} <= {r.message for r in history.of("acknowledged")}


def _received_before_the_fault(history: History) -> bool:
    """Whether the client at whose link the fault happens had received an event before."""
    (fault, *_) = history.of("fault")
    return any(record.who == fault.who and record.at_s < fault.at_s for record in history.of("delivered"))


def _away(history: History) -> Iterator[HistoryRecord]:
    """What was said while its client had no connection."""
    away = set[str]()
    for record in history.of("closed", "opened", "sent"):
        if record.what == "sent":
            if record.who in away:
                yield record
        else:
            (away.add if record.what == "closed" else away.discard)(record.who)
