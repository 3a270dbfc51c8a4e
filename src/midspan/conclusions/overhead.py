"""The conclusions of chapter 05 about time and work: two servers beside each other, measured in pairs.

What is compared runs on the same library: our envelope, and python-socketio. Each bound is far from what was seen in
many runs, on a quiet machine and on a busy one: the direction is concluded, and never the number.
"""

from __future__ import annotations

from midspan.benchmark import contenders
from midspan.benchmark.reporting import Growth
from midspan.benchmark.statistics import Paired
from midspan.conclusions.verdicts import Seen, conclusion

BARE, FULL = contenders.WEBSOCKETS_ENVELOPE.name, contenders.WEBSOCKETS_SOCKETIO.name
PACKETS = contenders.WEBSOCKETS_CODEC.name
ON_AIOHTTP = (contenders.AIOHTTP_SOCKETIO.name, contenders.AIOHTTP_ENVELOPE.name)
SMALL = ", small reads"  # behind the name of a server with small TLS buffers
PAIRS = {"websockets": (FULL, BARE), "aiohttp": ON_AIOHTTP}
MARGIN = 1.2  # two processes of one program differ by a tenth
NOTICED_US = 100_000  # a delay that a person notices, as said in the chapter


def times(run: Paired, what: str, theirs: str = FULL, ours: str = BARE) -> float:
    """How many times as much one needs as the other: in each round, then their median."""
    return run.ratio(theirs, ours, what).median


def _on_both(run: Paired, what: str) -> dict[str, float]:
    return {on: times(run, what, *pair) for on, pair in PAIRS.items()}


def _words(found: dict[str, float], how: str) -> str:
    return " and ".join(f"{value:.2f} times {how} on {on}" for on, value in found.items())


@conclusion(
    "O2",
    "lower CPU per message",
    "holds",
    "websockets, aiohttp, python-socketio",
    "on either server an acknowledged event in an envelope takes less processor time than with python-socketio",
    control="each server against itself, under two names",
)
def takes_less_cpu(run: Paired) -> Seen:
    """The same server with our envelope, and with python-socketio."""
    found = _on_both(run, "cpu_us")
    return Seen(min(found.values()) > MARGIN, f"python-socketio takes {_words(found, 'as much')}")


@conclusion(
    "O2",
    "a lower latency floor",
    "holds",
    "websockets, aiohttp, python-socketio",
    "on either server the latency floor of an envelope is lower than that of python-socketio",
    control="each server against itself, under two names",
)
def has_a_lower_floor(run: Paired) -> Seen:
    """The same server with our envelope, and with python-socketio."""
    found = _on_both(run, "floor_us")
    return Seen(min(found.values()) > MARGIN, f"the floor of python-socketio is {_words(found, 'as high')}")


@conclusion(
    "O3",
    "slightly higher latency",
    "holds",
    "websockets, aiohttp, python-socketio",
    "on either server the median round trip is longer with python-socketio than with an envelope: by a fifth at least, "
    "and by less than a millisecond",
    control="each server against itself, under two names",
)
def answers_later(run: Paired) -> Seen:
    """The same server with our envelope, and with python-socketio."""
    found = _on_both(run, "p50_us")
    later_us = [run.median(theirs, "p50_us") - run.median(ours, "p50_us") for theirs, ours in PAIRS.values()]
    return Seen(
        min(found.values()) > MARGIN and max(later_us) < 1000,
        f"a round trip takes {_words(found, 'as long')}, {max(later_us):.0f} µs more at most",
    )


@conclusion(
    "M4",
    "more CPU",
    "holds",
    "python-socketio",
    "it takes more processor time than an envelope on the same server; its packets alone add less than half of that",
    control="python-socketio where its packets alone are measured",
)
def packets_take_less(run: Paired) -> Seen:
    """On `websockets`: our envelope, Socket.IO's packets without the framework, and python-socketio."""
    framework, packets = (times(run, "cpu_us", name) - 1 for name in (FULL, PACKETS))
    return Seen(
        framework > MARGIN - 1 and packets < framework / 2,
        f"python-socketio adds {framework:.0%} of the envelope's processor time, the packets alone {packets:.0%}",
    )


@conclusion(
    "O3",
    "allocations",
    "holds",
    "python-socketio",
    "an event allocates half as many blocks of memory again as with an envelope, or more; with its packets alone fewer",
    control="the envelope against itself, under two names",
)
def allocates_more(inside: Paired) -> Seen:
    """Blocks that appear while one event is acknowledged, on `websockets`."""
    framework, packets = (times(inside, "blocks", name) for name in (FULL, PACKETS))
    return Seen(
        framework > 1.5 > packets,
        f"python-socketio allocates {framework:.2f} times as many blocks, the packets alone {packets:.2f} times",
    )


@conclusion(
    "O3",
    "per-message work",
    "holds",
    "python-socketio",
    "an event makes more than one asyncio task and half as many calls again as an envelope, or more; its packets alone "
    "need no task",
    control="the packets alone in place of python-socketio",
)
def makes_tasks(inside: Paired) -> Seen:
    """Tasks and calls while one event is acknowledged, on `websockets`."""
    bare, framework, packets = (inside.median(name, "tasks") for name in (BARE, FULL, PACKETS))
    calls, packets_calls = (times(inside, "calls", name) for name in (FULL, PACKETS))
    return Seen(
        bare == packets == 0 and framework > 1 and calls > 1.5 > packets_calls,
        f"{framework:.0f} tasks, {packets:.0f} with the packets alone, {bare:.0f} with an envelope; {calls:.2f} times "
        f"the envelope's calls, {packets_calls:.2f} times with the packets alone",
    )


@conclusion(
    "O1",
    "",
    "holds only when",
    "websockets, python-socketio",
    "scale is the rate of events: at ten a second the two servers differ by less than a hundredth of a core, at a "
    "hundred thousand by more than one; with many more open connections an event costs less than three times as much",
    control="a server that lists all its connections for each event; and our envelope beside itself",
)
def the_rate_decides(grown: Growth) -> Seen:
    """Processor time of an event with few connections open and with many, with and without python-socketio."""
    few, many = grown.runs[min(grown.runs)], grown.runs[max(grown.runs)]
    growth = max(many.median(name, "cpu_us") / few.median(name, "cpu_us") for name in grown.names)
    apart_us = many.median(FULL, "cpu_us") - many.median(BARE, "cpu_us")
    dearer = min(times(few, "cpu_us"), times(many, "cpu_us"))
    return Seen(
        growth < 3 and dearer > MARGIN and 10 * apart_us < 1e6 / 100 and 100_000 * apart_us > 1e6,
        f"apart by {apart_us:.0f} µs an event; with {max(grown.runs)} connections it takes at most {growth:.1f} times "
        f"as much as with {min(grown.runs)}",
    )


@conclusion(
    "O2",
    "smaller memory per connection",
    "holds only when",
    "websockets, python-socketio",
    "TLS takes little memory in the process: it ends in front, or asyncio's buffers for it are small; by default these "
    "buffers hide the difference",
    control="asyncio's default buffers where small ones are measured",
)
def holds_less_memory(without_tls: Paired, with_tls: Paired) -> Seen:
    """The memory of an idle connection: without TLS, with asyncio's buffers as they are, and with small ones."""
    ratios = [
        without_tls.ratio(FULL, BARE, "kib").median,
        with_tls.ratio(FULL + SMALL, BARE + SMALL, "kib").median,
        with_tls.ratio(FULL, BARE, "kib").median,
    ]
    outside, small, default = ratios
    return Seen(
        outside > 1.4 and small > 1.12 and 1 / 1.2 < default < 1.2,
        f"python-socketio's connection holds {outside:.2f} times as much as our envelope's without TLS, {small:.2f} "
        f"times with small buffers, {default:.2f} times with the default",
    )


@conclusion(
    "O4",
    "not slow",
    "holds",
    "websockets, aiohttp, python-socketio",
    "on either server one core acknowledges hundreds of events a second, each in a tenth of the time that a person "
    "notices as a delay, or less",
    control="the same server with a handler that hashes a password for each event",
)
def serves_hundreds_a_second(run: Paired) -> Seen:
    """python-socketio on two servers: processor time of an event, and the median round trip."""
    names = [theirs for theirs, _ in PAIRS.values()]
    a_second = min(1e6 / run.median(name, "cpu_us") for name in names)
    later_us = max(run.median(name, "p50_us") for name in names)
    return Seen(
        a_second > 500 and later_us < NOTICED_US / 10,
        f"{a_second:,.0f} events a second on a core; a round trip takes {later_us / 1000:.2f} ms",
    )


@conclusion(
    "O4",
    "performance for guarantees",
    "does not hold",
    "python-socketio",
    "the guarantees of a session that loses nothing, with its log in memory, take less than half of the processor "
    "time that python-socketio adds to an envelope",
    control="python-socketio in place of lab 5's session",
)
def guarantees_take_less(kept: Paired) -> Seen:
    """Lab 5's session beside its own codec without guarantees; python-socketio beside an envelope."""
    guarantees_us = _added_us(kept, "lab 5", "lab 5, no guarantees")
    framework_us = _added_us(kept, FULL, BARE)
    return Seen(
        framework_us > 0 and guarantees_us < framework_us / 2,
        f"the guarantees add {guarantees_us:.0f} µs to an event, python-socketio {framework_us:.0f} µs",
    )


def _added_us(run: Paired, larger: str, smaller: str) -> float:
    return run.median(larger, "cpu_us") - run.median(smaller, "cpu_us")
