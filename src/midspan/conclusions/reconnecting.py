"""The conclusions of chapter 03 on connections: when a dead one is noticed, and how a client comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midspan.conclusions.verdicts import Seen, conclusion
from midspan.experiments.disconnection import FIRST_WAIT_S, Noticed
from midspan.experiments.failure_trials import CLIENTS, RAW
from midspan.simulation.history import History
from midspan.simulation.reconnect_herd import LibraryReturns
from midspan.simulation.run_report import Rung, RunReport

PING, PONG = "2", "3"  # packets of Engine.IO
POLLS_FIRST = next(iter(CLIENTS))


@conclusion(
    "L4",
    "heartbeats notice a half-open link",
    "holds",
    "python-socketio",
    "the client connects again within interval, timeout and its first wait, and not before the timeout",
    control="the same client, which gives the server an hour to ping",
)
def the_heartbeat_notices(*measured: Noticed) -> Seen:
    """The same fault for each setting of the heartbeat, at five phases of its period."""
    inside = [_between(one, one.interval_s + one.timeout_s + FIRST_WAIT_S) for one in measured]
    return Seen(all(inside), "; ".join(map(_in_seconds, measured)))


@conclusion(
    "M3",
    "heartbeats",
    "holds",
    "python-socketio",
    "while the application says nothing, the two ends send pings and pongs, and the connection stays open",
    control="the same silence with a client and a server of websockets without keepalive",
)
def silence_is_filled_with_pings(run: RunReport) -> Seen:
    """A run in which the application says nothing for longer than the heartbeat's interval and timeout."""
    pings, pongs = (sum(isinstance(step, Rung) and step.text == text for step in run.ladder) for text in (PING, PONG))
    closed = len(run.history.of("closed"))
    return Seen(pings == pongs > 1 and not closed, f"{pings} pings, {pongs} pongs, {closed} ends closed")


@conclusion(
    "F1",
    "detect a drop",
    "does not hold",
    "websockets",
    "the library's own pings notice a half-open link within their bound, and its client connects again",
    control="the same client without keepalive",
)
def the_library_detects_a_drop(*measured: Noticed) -> Seen:
    """The same fault for each setting of the library's keepalive."""
    return Seen(all(_between(one, one.bound_s) for one in measured), "; ".join(map(_in_seconds, measured)))


@conclusion(
    "F2",
    "automatic reconnection",
    "holds",
    "python-socketio, websockets",
    "after a reset each client tries to connect again by itself, within its first wait",
    control="a plain client of websockets, which connects once",
)
def both_try_again(after_s: Mapping[str, float]) -> Seen:
    """By library: the seconds from a reset to the next attempt."""
    return Seen(max(after_s.values()) <= FIRST_WAIT_S, _listed(after_s, "{:.1f} s"))


@conclusion(
    "F2",
    "reconnection of a crowd",
    "holds only when",
    "python-socketio",
    "the server can take all clients within their longest wait; the same jitter with a longer one spreads them",
    control="full jitter with a longest wait of five seconds in both places",
)
def the_longest_wait_spreads(library: LibraryReturns, short: LibraryReturns, long: LibraryReturns) -> Seen:
    """The library's own waits, and full jitter with its longest wait and with a longer one."""
    crowded = min(library.peak, short.peak) > 3 * long.peak
    together = max(library.last_s, short.last_s) < long.last_s / 3
    return Seen(crowded and together, "; ".join(map(str, (library, short, long))))


@conclusion(
    "F2",
    "fallback",
    "holds only when",
    "python-socketio",
    "the client polls first, and the blocked upgrade is refused or reset, and not swallowed",
    control="the same link without a block: the client does not stay on polling",
)
def polling_first_falls_back(ended: Mapping[str, Mapping[str, str]]) -> Seen:
    """By block and client: the transport on which the client is connected, or its error."""
    *answered, swallowed = (_framework(clients) for clients in ended.values())
    kept = all(clients.pop(POLLS_FIRST) == "polling" for clients in answered)
    others = {one for clients in (*answered, swallowed) for one in clients.values()}
    first = ", ".join(f"{block}: {clients[POLLS_FIRST]}" for block, clients in ended.items())
    return Seen(
        kept and not others & {"polling", "websocket"},
        f"polling first: {first}; WebSocket first: {', '.join(sorted(others))}",
    )


@conclusion(
    "L4",
    "fallback",
    "holds",
    "python-socketio, websockets",
    "where the upgrade is refused or reset, the client of the framework is connected and that of the library is not",
    control="the same link without a block: both are connected",
)
def only_the_framework_falls_back(ended: Mapping[str, Mapping[str, str]]) -> Seen:
    """By block and client, as above; the blocks here get an answer."""
    both = [(clients[POLLS_FIRST], clients[RAW]) for clients in ended.values()]
    words = "; ".join(f"{block}: {pair[0]}, {pair[1]}" for block, pair in zip(ended, both, strict=True))
    return Seen(all(one == "polling" and other != "websocket" for one, other in both), words)


@conclusion(
    "F3",
    "",
    "holds only when",
    "python-socketio",
    "it is said of connections: after each cut all clients come back, and some messages are never acknowledged",
    control="the same cuts with reconnection=False; and a client that keeps its messages (the recipe)",
)
def defaults_restore_connections_only(histories: Sequence[History]) -> Seen:
    """The histories of a cut at every moment."""
    back = sum(all(_is_back(history, who) for who in ("a", "b")) for history in histories)
    lost = sum(_never_acknowledged(history) for history in histories)
    words = f"{len(histories)} cuts: after {back} all clients are back; {lost} messages are never acknowledged"
    return Seen(back == len(histories) and lost > 0, words)


def _between(one: Noticed, bound_s: float) -> bool:
    return one.timeout_s < min(one.after_s) <= max(one.after_s) <= bound_s


def _in_seconds(one: Noticed) -> str:
    times = f"{min(one.after_s):.0f} to {max(one.after_s):.0f} s"
    return f"ping every {one.interval_s:g} s, {one.timeout_s:g} s to answer: {times}"


def _framework(clients: Mapping[str, str]) -> dict[str, str]:
    return {name: clients[name] for name in CLIENTS}


def _is_back(history: History, who: str) -> bool:
    return [record.what for record in history.of("opened", "closed") if record.who == who][-1] == "opened"


def _never_acknowledged(history: History) -> int:
    sent = {record.message for record in history.of("sent")} - {record.message for record in history.of("declined")}
    return len(sent - {record.message for record in history.of("acknowledged")})


def _listed(values: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())
