"""Bad input to every public function and class gets a sentence: what was expected, what came, what to do.

Public is what a reader of the course can reach by a name: the facade, what `sim` offers, what a notebook imports, and
the functions of `records` and `eyes`. Each is called well, then with one argument after the other replaced by one that
cannot be right. A new public name without an entry here fails the first test.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import h11
import pytest

import midspan
from midspan import checks, sim
from midspan.bench.contenders import named
from midspan.bench.customers import Report
from midspan.bench.matrix import measure
from midspan.bench.nodes import MemberSeat, NodeSeat, draw_nodes, play_nodes, search_nodes
from midspan.bench.page import Page
from midspan.bench.prices.outcome import Paired
from midspan.bench.said import TYPING_START, WAYS
from midspan.checks import Transcript, places
from midspan.checks.demonstrations import written
from midspan.checks.judge import judge
from midspan.checks.lab3_failure.looking import again, look
from midspan.checks.labs import earlier
from midspan.records.byte_ledger import byte_ledger
from midspan.records.dissect import dissect
from midspan.records.frames import Frame, read_frames
from midspan.records.samples import sample
from midspan.refusal import Refusal
from midspan.sim.draft import DraftClient, DraftServer
from midspan.sim.herd import herd as sim_herd
from midspan.wires.balancer import round_robin
from midspan.wires.certs import Authority
from tests.course import found
from tests.labs import lab0_adding
from tests.loops import in_a_loop

SENTENCE = re.compile(r"Expected .+, but got .+\. \S.+\.", re.DOTALL)
LAYERS = ("records", "eyes")  # whose modules' functions are public, but for these:
INNER = {
    "midspan.eyes.svg": "the elements of our pictures, called with what our figures compute",
    "midspan.eyes.palette": "colours of our pictures",
    "midspan.eyes.shown": "IPython calls these, each with the type that it is registered for",
    "midspan.eyes.cards": "IPython calls these, each with the type that it is registered for",
    "midspan.eyes.display": "IPython calls it",
    "midspan.eyes.png": "the same, for outputs that are stored",
    "midspan.eyes.readme": "a command of ours",
    "midspan.eyes.benched": "a command of ours",
    "midspan.eyes.recording": "a command of ours",
    "midspan.records.record": "words for the records' own text",
}


@dataclass(frozen=True)
class Good:
    """A call that works: arguments by name, each made anew.

    Args:
        arguments: name -> what makes a right value.
        bears: names of arguments that may be anything.
        raises: what it may raise beside a `Refusal`, because its documentation says so.
    """

    arguments: dict[str, Callable[[], Any]]
    bears: tuple[str, ...] = ()
    raises: tuple[type[BaseException], ...] = ()


def good(*bears: str, raises: tuple[type[BaseException], ...] = (), **arguments: Any) -> Good:
    """An entry of the table; an argument that is a function makes the value."""
    makers = {n: value if callable(value) else (lambda value=value: value) for n, value in arguments.items()}
    return Good(makers, bears, raises)


def hello() -> Frame:
    return read_frames(b"\x81\x05Hello")[0][0]


def cast() -> sim.Cast:
    return sim.NAIVE


def schedule() -> sim.Schedule:
    return sim.simple(2)


def moment() -> sim.Moment:
    return sim.Moment("a", "up", 1)


async def handler(_: object) -> None:
    """Does nothing."""


def register(_: object) -> None:
    """Registers nothing."""


def exchange() -> Any:
    return dissect(sample("raw"))


def asked() -> h11.Request:
    return h11.Request(method="GET", target="/?user=ana", headers=[("Host", "a")])


def prices() -> Paired:
    return Paired({"a": ({"cpu_us": 1.0},), "b": ({"cpu_us": 2.0},)})


def history() -> sim.History:
    return sim.play(cast(), schedule())


def body(t: Transcript, double: Callable[[int], int]) -> None:
    t.equal("double of 2", double(2), 4)


async def nothing() -> None:
    """Ends at once."""


OPTIONS = {"a": "the client", "b": "the server"}
HINTS = ("One.", "Two.", "Three.")

CASES: dict[str, Good] = {
    # records: bytes in, records out
    "records.byte_ledger.byte_ledger": good(capture=lambda: sample("raw"), payload=b"a", segments=None),
    "records.byte_ledger.round_trips": good(capture=lambda: sample("raw")),
    "records.capture.Capture.from_json": good(text=lambda: sample("raw").to_json()),
    "records.carrying.carrying_of": good(target="/socket.io/?EIO=4&transport=polling"),
    "records.carrying.session_of": good(target="/socket.io/?EIO=4&transport=polling"),
    "records.dissect.dissect": good(capture=lambda: sample("raw")),
    "records.engineio.read_engine_packet": good(payload="4hi", transport="polling"),
    "records.exchange.without_sids": good(text='{"sid":"x"}'),
    "records.frames.Frame.parse": good(data=b"\x81\x02Hi"),
    "records.frames.describe_close": good(payload=b"\x03\xe8"),
    "records.frames.read_frames": good(data=b"\x81\x02Hi"),
    "records.http.read_http": good("ended", data=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", request=None, ended=False),
    "records.layers.layers": good(seen=hello),
    "records.polling.read_polling_payload": good(body=b"4hi"),
    "records.samples.names": good(),
    "records.samples.sample": good(name="raw"),
    "records.socketio.read_socket_packet": good(text='2["hi"]'),
    "records.tls.read_tls_records": good(data=b"\x17\x03\x03\x00\x01a"),
    # wires
    "wires.servers.raw_server": good(handler=lambda: handler, tls=None, port=0),
    "wires.servers.socketio_server": good(register=lambda: register, tls=None, port=0),
    "wires.tap.tap": good(target_port=9, authority=Authority),
    "wires.balancer.by_cookie": good(request=asked, names=("a", "b"), number=0),
    "wires.balancer.by_user": good(request=asked, names=("a", "b")),
    "wires.balancer.round_robin": good("_request", _request=asked, names=("a", "b"), number=0),
    "wires.child.plain_environment": good(),
    "wires.crowd.crowd": good(),
    # bench
    "bench.bench.Bench": good(
        raw=lambda: handler, socketio=lambda: register, raw_options=None, socketio_options=None
    ),
    "bench.byte_ledgers.opening": good(way=WAYS[0], authority=Authority, tls=False),
    "bench.byte_ledgers.weigh": good(said=TYPING_START, way=WAYS[0], authority=Authority, tls=False, told=1),
    "bench.byte_ledgers.weigh_all": good(
        authority=Authority, messages=[TYPING_START], ways=[WAYS[0]], tls=[False], deflate=[False]
    ),
    "bench.cluster.cluster": good(authority=Authority, choose=lambda: round_robin, durable=False),
    "bench.contenders.contender.named": good(name="raw"),
    "bench.detection.noticed": good(name="websockets", interval_s=1.0, timeout_s=1.0, player=lambda: sim.play),
    "bench.detection.noticed_cut_s": good(name="websockets", player=lambda: sim.play),
    "bench.offline.emit_while_away": good(authority=Authority),
    "bench.prices.probes.Events": good(events=8, together=1, connections=1, at_once=1),
    "bench.prices.probes.FanOut": good(times=1, connections=1),
    "bench.prices.probes.Idle": good(connections=1, until=2),
    "bench.prices.probes.InsideOf": good(events=1, connections=1),
    "bench.prices.probes.Steady": good(events=1, every_s=0.01, connections=1),
    "bench.real.play.play_real": good("watch", cast=cast, schedule=schedule, watch=None, speed=math.inf),
    "bench.real.search.search_real": good(
        "keep_going", cast=cast, seeds=(1,), shape=None, names=None, keep_going=False, speed=math.inf
    ),
    "bench.source.code_lines": good(source="a = 1"),
    "bench.source.library_lines": good(),  # any number of names; tests/test_bench_source.py has the bad ones
    # eyes
    "eyes.anatomy.anatomy": good(frame=hello, title=""),
    "eyes.anatomy.meanings": good(frame=hello),
    "eyes.browser.browser": good(page=lambda: Page(4242, has_client=True)),
    "eyes.cards.progress": good(lab=""),
    "eyes.expected.expected": good(kind=lambda: ValueError),
    "eyes.herd.herd_picture": good(herd=lambda: sim_herd(10, 1.0), title=""),
    "eyes.ladder.ladder": good("times", exchange=exchange, times=False, title=""),
    "eyes.lanes.lanes": good(ladder=lambda: sim.draw(cast(), schedule())[1], title=""),
    "eyes.matrix.matrix_picture": good(matrix=lambda: measure(named("raw"), faults=("cut",)), title=""),
    "eyes.matrix.matrix_table": good(matrix=lambda: measure(named("raw"), faults=("cut",)), fault=None),
    "eyes.parties.parties": good(bench=midspan.Bench),
    "eyes.byte_ledger.ledger_picture": good(ledgers=lambda: {"raw": byte_ledger(sample("raw"))}, title=""),
    "eyes.returns.returns_picture": good(reports=lambda: {"kill": Report(9, 1, (0.5,))}, title=""),
    "eyes.prices.price_bars": good(run=prices, what="cpu_us", title=""),
    "eyes.stack.stack": good(seen=hello, title=""),
    "eyes.tables.frame_table": good("times", exchange=exchange, times=False),
    "eyes.tables.table": good("times", exchange=exchange, times=False),
    # checks
    "checks.claims.ledger": good(),
    "checks.claims.verdict": good(claim="L1", row="", outcome="holds", of="", relation="they do"),
    "checks.demonstrations.show": good(demonstration=lambda: nothing, limit_s=5.0),
    "checks.demonstrations.written": good(),
    "checks.judge.judge": good(file=lambda: places.solution("lab0_adding")),
    "checks.labs.earlier": good(lab="lab0_adding"),
    "checks.predictions.predict": good(id="x", question="?", options=lambda: OPTIONS, mine="?"),
    "checks.predictions.score": good(id="x", answer="a"),
    "checks.steps.Lab": good(name="lab0", title="", misconceptions=dict, serves="", steps=dict),
    "checks.transcript.Transcript": good(misconceptions=None),
    # sim
    "sim.beside.beside": good(function=lambda: history),
    "sim.beside.run": good(main=nothing, limit_s=1.0),
    "sim.cast.Cast": good(
        server=lambda: sim.NAIVE.server, client=lambda: sim.NAIVE.client, bounds=sim.Bounds, limits=sim.Limits
    ),
    "sim.counterexample.counterexample": good(cast=cast, found=schedule, predicate="no_loss", replay=""),
    "sim.draft.draft": good(server=lambda: DraftServer, client=lambda: DraftClient),
    "sim.faults.ClientRestart": good(at=moment, down_s=0.1),
    "sim.faults.Cut": good(at=moment),
    "sim.faults.Delay": good(at=moment, by_s=0.1),
    "sim.faults.HalfOpen": good(at=moment),
    "sim.faults.Refuse": good(link="a", attempt=1, count=1),
    "sim.faults.Revoke": good(at=moment),
    "sim.faults.ServerRestart": good("keeps_log", at=moment, down_s=0.1, keeps_log=True),
    "sim.faults.Silence": good(at=moment, for_s=1.0),
    "sim.generate.Shape": good(messages=5, clients=2, faults=3, bursts=0.0, kinds=("Cut",), stores=(0.0,)),
    "sim.generate.exhaustive": good(
        crossings=lambda: lambda schedule: sim.crossings(cast(), schedule), messages=2, clients=("a",), cuts=1
    ),
    "sim.generate.generate": good(seed=1, shape=None),
    "sim.herd.herd": good(clients=10, outage_s=1.0, seed=1),
    "sim.history.Bounds": good(
        detection_s=1.0, recovery_s=1.0, outbox=1, dedupe=1, replay=1, attempts_per_s=1, lockstep_s=0.1
    ),
    "sim.history.Recorder": good(now=lambda: lambda: 0.0),
    "sim.ladder.draw": good(cast=cast, schedule=schedule),
    "sim.limits.Limits": good(max_size=None, max_queue=16, write_limit=10, ping_interval=None, open_timeout=1.0),
    "sim.moment.Moment": good(link="a", way="up", n=1, when="before", later_s=0.0),
    "sim.outages.BalancerCut": good(at=moment, for_s=0.1),
    "sim.outages.BrokerCut": good(at=moment, node="n1", for_s=1.0),
    "sim.outages.BrokerRestart": good("keeps_log", at=moment, down_s=0.1, keeps_log=True),
    "sim.outages.NodeDrain": good(at=moment, node="n1", down_s=0.1),
    "sim.outages.NodeKill": good(at=moment, node="n1", down_s=0.1),
    "sim.play.play": good(cast=cast, schedule=schedule, watch=None),
    "sim.played.played": good(cast=cast, schedule=schedule),
    "sim.predicates.judge": good(history=history, names=None),
    "sim.history.History.from_json": good(text=lambda: history().to_json()),
    "sim.schedule.Join": good(at_s=0.0, who="a"),
    "sim.schedule.Say": good(at_s=0.0, who="a", body="a1"),
    "sim.schedule.Schedule": good(
        seed=1, joins=lambda: schedule().joins, says=lambda: schedule().says, faults=(), latency_s=0.01, write_s=0.01
    ),
    "sim.schedule.Schedule.from_json": good(text=lambda: schedule().to_json()),
    "sim.schedule.simple": good(messages=2, clients=("a",), gap_s=0.0, faults=()),
    "sim.search.crossings": good(cast=cast, schedule=schedule),
    "sim.search.search": good("keep_going", cast=cast, seeds=(1,), shape=None, names=None, keep_going=False),
    "sim.search.search_all": good(
        "keep_going", cast=cast, messages=1, clients=("a",), cuts=1, names=None, keep_going=False
    ),
    "sim.control.negative_control": good(seeds=(1,), shape=None),
    "sim.shrink.shrink": good(schedule=schedule, breaks=lambda: lambda _: False, most_runs=3),
    "sim.store.Store": good(disk=sim.Disk, write_s=0.1, recorder=None),
    "sim.wallclock.WallClockGuard": good(),
}
RESULTS = [  # made by us and handed out, or a shape that the learner's own class has
    "bench.byte_ledgers.Weighing", "bench.prices.growing.Growth",
    "bench.nodes.seats.MemberSeat", "bench.nodes.seats.NodeSeat",
    "checks.steps.Checks", "checks.steps.Hint", "checks.steps.Step", "checks.verdicts.CheckFailed",
    "checks.verdicts.Result", "records.capture.Capture", "records.frames.Frame", "records.messages.negotiated",
    "sim.cast.Client", "sim.cast.ClientSeat", "sim.cast.Server", "sim.cast.ServerSeat", "sim.clock.VirtualLoop",
    "sim.counterexample.Counterexample", "sim.draft.DraftClient", "sim.draft.DraftServer", "sim.draft.say",
    "sim.errors.Deadlock", "sim.errors.OutOfTime", "sim.errors.SimulationError", "sim.errors.WallClock",
    "sim.history.App", "sim.history.History", "sim.history.Record", "sim.ladder.Ladder", "sim.ladder.Mark",
    "sim.ladder.Rung", "sim.played.Played", "sim.search.Findings", "sim.store.Disk", "sim.store.Entry",
    "sim.verdict.Predicate", "sim.verdict.Verdict", "wires.direct.Direct",
]  # fmt: skip


ELSEWHERE = [  # whose good call needs a server, a course or a long search: refused in tests of their own
    "bench.prices.rounds.paired",  # tests/test_prices_rounds.py
    "bench.prices.several.Several", "wires.asgi.asgi_server",  # tests/test_chapter05.py
    "checks.priced.lab5_contender",  # tests/test_prices_sessions.py
    "bench.nodes.play.play_nodes", "bench.nodes.search.draw_nodes",  # tests/test_bench_nodes.py
    "bench.nodes.search.search_nodes",
    "bench.page.live_page", "bench.reaction.reaction",  # tests/test_bench_page.py, test_bench_reaction.py
    "checks.guarantees.guarantee_matrix",  # tests/test_guarantees.py
    "checks.lab3_failure.looking.again", "checks.lab3_failure.looking.look",  # below
    "checks.lab4_scaling.looking.again", "checks.lab4_scaling.looking.draft",  # tests/test_lab4_checks.py
    "checks.lab4_scaling.looking.look",
    "checks.lab5_overhead.looking.again", "checks.lab5_overhead.looking.cost",  # tests/test_lab5_checks.py
    "checks.lab5_overhead.looking.look", "checks.lab3_failure.earlier.earlier",
]  # fmt: skip
ALSO = (  # what the labs' authors and the command line call
    *(written, judge, earlier),
    *(draw_nodes, play_nodes, search_nodes, MemberSeat, NodeSeat),
)


# --- which names are public


@cache
def public() -> dict[str, Any]:
    """Every public function and class, by its home without "midspan."."""
    things = [getattr(midspan, name) for name in midspan.__all__]
    things += [getattr(sim, name) for name in sim.__all__]
    things += [getattr(checks, name) for name in checks.__all__]
    things += [*imported(), *ALSO]
    for module in (module for layer in LAYERS for module in modules(layer)):
        things += [one for one in vars(module).values() if made_in(one, module)]
    return {home(thing): thing for thing in things if is_ours(thing) and not thing.__name__.startswith("_")}


def imported() -> Iterator[Any]:
    """What the cells of the notebooks import from us beside the facade."""
    for notebook in found("notebooks", "solutions"):
        for node in (node for cell in notebook.code for node in ast.walk(cell.tree)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("midspan."):
                yield from (getattr(importlib.import_module(str(node.module)), name.name) for name in node.names)


def modules(layer: str) -> Iterator[ModuleType]:
    package = importlib.import_module(f"midspan.{layer}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(module.name)


def made_in(thing: Any, module: ModuleType) -> bool:
    inner = module.__name__ in INNER or not is_ours(thing) or inspect.isclass(thing)
    return not inner and thing.__module__ == module.__name__


def home(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}".removeprefix("midspan.")


def is_ours(thing: Any) -> bool:
    return hasattr(thing, "__qualname__") and thing.__module__.startswith("midspan.")


def test_every_public_name_has_its_case() -> None:
    missing = sorted(set(public()) - set(CASES) - set(RESULTS) - set(ELSEWHERE))
    assert not missing, f"add a good call of each to CASES in {Path(__file__).name}: {', '.join(missing)}"


@pytest.mark.parametrize("name", [*CASES, *RESULTS, *ELSEWHERE])
def test_no_entry_is_of_a_name_that_is_gone(name: str) -> None:
    assert callable(found_at(name))


def found_at(name: str) -> Any:
    """The function or class, or a class's method, that has this name."""
    if name in public():
        return public()[name]
    of, _, method = name.rpartition(".")
    return getattr(public()[of], method)


# --- bad input


class Wrong:
    """Of a type that nothing of ours takes."""

    def __repr__(self) -> str:
        return "Wrong()"


BAD: tuple[Any, ...] = (None, Wrong(), -1, float("nan"), "no such", b"\xff", (), [Wrong()], {"no": "such"})
PAIRS = [
    pytest.param(name, argument, id=f"{name}-{argument}") for name, case in CASES.items() for argument in case.arguments
]


def call(thing: Any, case: Good, **changed: Any) -> Any:
    """Call, and go into whatever comes back: a coroutine, a context, an iterator."""
    arguments = changed | {name: make() for name, make in case.arguments.items() if name not in changed}
    with contextlib.ExitStack() as stack:
        [stack.callback(one.close) for one in arguments.values() if inspect.iscoroutine(one)]
        return entered(thing(**arguments))


def entered(result: Any) -> Any:
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    if isinstance(result, AbstractAsyncContextManager):
        return asyncio.run(in_and_out(result))
    return next(result, None) if inspect.isgenerator(result) else result


async def in_and_out(context: AbstractAsyncContextManager[Any]) -> Any:
    async with context as inside:
        return inside


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A course with one small lab, and a prediction to be scored."""
    lab0_adding.course(tmp_path, monkeypatch)
    midspan.predict("x", "?", OPTIONS)


@pytest.mark.parametrize("name", CASES)
def test_the_good_call_works(name: str) -> None:
    """Else what follows would refuse for another reason."""
    call(found_at(name), CASES[name])


@pytest.mark.parametrize(("name", "argument"), PAIRS)
def test_a_bad_argument_is_refused_in_a_sentence(name: str, argument: str) -> None:
    """A value of no right type always; one that might be right by its type, never by an error from our inside."""
    case, thing = CASES[name], found_at(name)
    for bad in BAD:
        refusal = refused(thing, case, argument, bad)
        if refusal is None:
            assert argument in case.bears or not isinstance(bad, Wrong), f"{argument}={bad!r} is taken"
        else:
            assert SENTENCE.fullmatch(refusal)


def refused(thing: Any, case: Good, argument: str, bad: Any) -> str | None:
    """What the refusal says; None when the value is taken."""
    try:
        call(thing, case, **{argument: bad})
    except Refusal as refusal:
        return str(refusal)
    except case.raises:
        pass
    except Exception as error:
        pytest.fail(f"{argument}={bad!r}: {type(error).__name__}: {error}")
    return None


@in_a_loop
async def test_what_is_closed_refuses() -> None:
    """A closed bench, and what somebody has kept of it."""
    bench = await midspan.Bench()
    raw = bench.raw
    with pytest.raises(Refusal, match="something to open with"):
        await bench.enter(3)  # type: ignore[arg-type]
    await bench.close()
    uses: list[Callable[[], Any]] = [lambda: bench.raw, lambda: bench.socketio]
    for use in uses:
        with pytest.raises(Refusal, match="Expected an open bench, but got one that is closed"):
            use()
    for late in (bench.enter(contextlib.nullcontext()), raw.exchange()):
        with pytest.raises(Refusal, match="Expected an open bench, but got one that is closed"):
            await late
    assert (raw.capture.chunks, raw.log) == ((), [])


@pytest.mark.parametrize(
    "call",
    [
        lambda: look(None, "retry"),  # type: ignore[arg-type]
        lambda: look(cast(), None),  # type: ignore[arg-type]
        lambda: look(cast(), "no such"),
        lambda: again(cast(), "retry", "1"),  # type: ignore[arg-type]
        lambda: again(cast(), "no such", 1),
    ],
)
def test_a_search_that_cannot_begin_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(Refusal) as caught:
        call()
    assert SENTENCE.fullmatch(str(caught.value))
