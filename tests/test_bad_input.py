"""Bad input to every public function and class gets a sentence: what was expected, what came, what to do.

Public is what a reader of the course is led to by a name: the facade, what `simulation` and `grading` offer, what a
notebook imports, and the functions of `protocols` and `pictures` that the course's cells or pages name. Each is called
well, then with one argument after the other replaced by one that cannot be right. A new public name without an entry
here fails the first test.
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
from midspan import grading, simulation
from midspan.benchmark.statistics import Paired
from midspan.conclusions.verdicts import Conclusion, Seen, conclusion
from midspan.errors import Refusal
from midspan.experiments.cluster_clients import OrderReport
from midspan.experiments.conversations import CHANNELS, TYPING_START
from midspan.experiments.guarantee_matrix import measure
from midspan.experiments.on_trial import named
from midspan.experiments.page import Page
from midspan.grading import Transcript, notebooks
from midspan.grading.finished_labs import written
from midspan.grading.judging import judge
from midspan.grading.lab_source import earlier
from midspan.labs.lab3_failure.ends import two_ends
from midspan.labs.lab3_failure.session import again, look
from midspan.net.balancers import round_robin
from midspan.net.servers import Authority
from midspan.protocols.dissecting import dissect, sample
from midspan.protocols.ledgers import byte_ledger
from midspan.protocols.websocket import Frame, read_frames
from midspan.simulation.baseline import BaselineClient, BaselineServer
from midspan.simulation.nodes import MemberContext, NodeContext, play_nodes, search_nodes
from midspan.simulation.reconnect_herd import herd as sim_herd
from tests.course import ROOT, found
from tests.labs import lab0_adding
from tests.loops import in_a_loop

SENTENCE = re.compile(r"Expected .+, but got .+\. \S.+\.", re.DOTALL)
LAYERS = ("protocols", "pictures")  # whose modules' functions are public where the course names them, but for these:
SHOWN = (
    "drawing",
    "exchange",
    "sighting",
    "stack_picture",
    "head_lines",
    "ladder_picture",
    "run_report_picture",
    "counterexample_picture",
    "png",
)
INNER = {
    "midspan.pictures.svg": "the elements and colours of our pictures, called with what our figures compute",
    **dict.fromkeys(
        (f"pictures.outputs.{name}" for name in SHOWN), "IPython calls it with the type it is registered for"
    ),
    "midspan.pictures": "IPython calls it",
    "pictures.excerpts.excerpt": "run_ladder calls it with a ladder that it has compared",
    "midspan.protocols.capture": "words for the records' own text",
    **dict.fromkeys(
        (f"pictures.cards.{name}_card" for name in ("result", "hint", "guess", "score")), "IPython calls it"
    ),
    **dict.fromkeys(
        (f"pictures.costs.{name}" for name in ("write", "with_tables", "exchange_svg", "write_exchange")),
        "a command of ours",
    ),
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


def implementation() -> simulation.Implementation:
    return simulation.NAIVE


def some_conclusion() -> Conclusion:
    return conclusion("L1", "", "holds", "", "they do", control="they never do")(lambda *_: Seen(True, ""))


def schedule() -> simulation.Schedule:
    return simulation.simple(2)


def trigger() -> simulation.Trigger:
    return simulation.Trigger("a", "up", 1)


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


def history() -> simulation.History:
    return simulation.play(implementation(), schedule())


def body(t: Transcript, double: Callable[[int], int]) -> None:
    t.equal("double of 2", double(2), 4)


async def nothing() -> None:
    """Ends at once."""


OPTIONS = {"a": "the client", "b": "the server"}
HINTS = ("One.", "Two.", "Three.")

CASES: dict[str, Good] = {
    # records: bytes in, records out
    "protocols.ledgers.byte_ledger": good(capture=lambda: sample("raw"), payload=b"a", segments=None),
    "protocols.ledgers.round_trips": good(capture=lambda: sample("raw")),
    "protocols.capture.Capture.from_json": good(text=lambda: sample("raw").to_json()),
    "protocols.dissecting.dissect": good(capture=lambda: sample("raw")),
    "protocols.websocket.Frame.parse": good(data=b"\x81\x02Hi"),
    "protocols.websocket.read_frames": good(data=b"\x81\x02Hi"),
    "protocols.layering.layers": good(seen=hello),
    "protocols.dissecting.names": good(),
    "protocols.dissecting.sample": good(name="raw"),
    "protocols.socketio.read_socket_packet": good(text='2["hi"]'),
    "protocols.capture.read_tls_records": good(data=b"\x17\x03\x03\x00\x01a"),
    # wires
    "net.servers.raw_server": good(handler=lambda: handler, tls=None, port=0),
    "net.servers.socketio_server": good(register=lambda: register, tls=None, port=0),
    "net.taps.tap": good(target_port=9, authority=Authority),
    "net.balancers.by_cookie": good(request=asked, names=("a", "b"), number=0),
    "net.balancers.by_user": good(request=asked, names=("a", "b")),
    "net.balancers.round_robin": good("_request", _request=asked, names=("a", "b"), number=0),
    "net.child_process.plain_environment": good(),
    "net.receivers.open_receivers": good(),
    # bench
    "experiments.bench.Bench": good(
        raw=lambda: handler, socketio=lambda: register, raw_options=None, socketio_options=None
    ),
    "experiments.byte_ledgers.opening": good(way=CHANNELS[0], authority=Authority, tls=False),
    "experiments.byte_ledgers.measure_bytes": good(
        said=TYPING_START, way=CHANNELS[0], authority=Authority, tls=False, told=1
    ),
    "experiments.byte_ledgers.measure_all_bytes": good(
        authority=Authority, messages=[TYPING_START], ways=[CHANNELS[0]], tls=[False], deflate=[False]
    ),
    "experiments.clusters.cluster": good(authority=Authority, choose=lambda: round_robin, durable=False),
    "experiments.on_trial.named": good(name="raw"),
    "experiments.chat_runs.run_chat": good(name="websockets", messages=2, cut=1),
    "experiments.disconnection.noticed": good(
        name="websockets", interval_s=1.0, timeout_s=1.0, player=lambda: simulation.play
    ),
    "experiments.disconnection.noticed_cut_s": good(name="websockets", player=lambda: simulation.play),
    "experiments.disconnection.emit_while_away": good(authority=Authority),
    "experiments.failure_trials.at_every_moment": good(name="raw", fault="cut"),
    "experiments.failure_trials.doubled": good("cuts", latency_s=0.01, cuts=False, runs=1),
    "benchmark.rounds.Events": good(events=8, together=1, connections=1, at_once=1),
    "benchmark.rounds.FanOut": good(times=1, connections=1),
    "benchmark.rounds.Idle": good(connections=1, until=2),
    "benchmark.rounds.ServerWork": good(events=1, connections=1),
    "benchmark.rounds.Steady": good(events=1, every_s=0.01, connections=1),
    "simulation.tls.run.play_real": good(
        "watch", implementation=implementation, schedule=schedule, watch=None, speed=math.inf
    ),
    "simulation.tls.run.search_real": good(
        "keep_going",
        implementation=implementation,
        seeds=(1,),
        shape=None,
        names=None,
        keep_going=False,
        speed=math.inf,
    ),
    "experiments.byte_ledgers.code_lines": good(source="a = 1"),
    # any number of names; tests/test_experiments_source.py has the bad ones
    "experiments.byte_ledgers.library_lines": good(),
    "experiments.cookies.cookie_pages": good(),
    "experiments.tokens.token_in_log": good(),
    # eyes
    "pictures.frames.anatomy": good(frame=hello, title=""),
    "pictures.outputs.browser": good(page=lambda: Page(4242, has_client=True)),
    "pictures.cards.progress": good(lab=""),
    "pictures.cards.expected": good(kind=lambda: ValueError),
    "pictures.scenes.herd_picture": good(herd=lambda: sim_herd(10, 1.0), title=""),
    "pictures.ladders.ladder": good("times", exchange=exchange, times=False, title=""),
    "pictures.tables.matrix_table": good(matrix=lambda: measure(named("raw"), faults=("cut",)), fault=None),
    "pictures.runs.run_ladder": good(ladder=lambda: simulation.draw(implementation(), schedule())[1], title=""),
    "pictures.costs.ledger_picture": good(ledgers=lambda: {"raw": byte_ledger(sample("raw"))}, title=""),
    "pictures.scenes.returns_picture": good(reports=lambda: {"kill": OrderReport(9, 1, (0.5,))}, title=""),
    "pictures.costs.price_bars": good(run=prices, what="cpu_us", title=""),
    "pictures.frames.stack": good(seen=hello, title=""),
    "pictures.tables.frame_table": good("times", exchange=exchange, times=False),
    "pictures.tables.table": good("times", exchange=exchange, times=False),
    # checks
    "conclusions.verdicts.claims": good(letter="L"),
    "conclusions.verdicts.ledger": good(),
    "grading.stopwatch.minutes": good(keep=None),
    "conclusions.verdicts.verdict": good(conclusion=some_conclusion),
    "grading.finished_labs.show": good(demonstration=lambda: nothing, limit_s=5.0),
    "grading.finished_labs.written": good(),
    "grading.finished_labs.show_source": good(),
    "labs.lab3_failure.ends.two_ends": good(made_of=lambda: nothing),
    "grading.judging.judge": good(file=lambda: notebooks.solution("lab0_adding")),
    "grading.lab_source.earlier": good(lab="lab0_adding"),
    "grading.predictions.predict": good(id="x", question="?", options=lambda: OPTIONS, mine="?"),
    "grading.predictions.score": good(id="x", answer="a"),
    "grading.steps.Lab": good(name="lab0", title="", misconceptions=dict, serves="", steps=dict),
    # sim
    "simulation.run.run_in_thread": good(function=lambda: history),
    "simulation.run.run_in_virtual_time": good(main=nothing, limit_s=1.0),
    "simulation.implementation.Implementation": good(
        server=lambda: simulation.NAIVE.server,
        client=lambda: simulation.NAIVE.client,
        bounds=simulation.Bounds,
        limits=simulation.Limits,
    ),
    "simulation.shrinking.counterexample": good(
        implementation=implementation, found=schedule, predicate="no_loss", replay=""
    ),
    "simulation.baseline.draft": good(server=lambda: BaselineServer, client=lambda: BaselineClient),
    "simulation.faults.ClientRestart": good(at=trigger, down_s=0.1),
    "simulation.faults.Cut": good(at=trigger),
    "simulation.faults.Delay": good(at=trigger, by_s=0.1),
    "simulation.faults.HalfOpen": good(at=trigger),
    "simulation.faults.Refuse": good(link="a", attempt=1, count=1),
    "simulation.faults.Revoke": good(at=trigger),
    "simulation.faults.ServerRestart": good("keeps_log", at=trigger, down_s=0.1, keeps_log=True),
    "simulation.faults.Silence": good(at=trigger, for_s=1.0),
    "simulation.schedule.Shape": good(messages=5, clients=2, faults=3, bursts=0.0, kinds=("Cut",), stores=(0.0,)),
    "simulation.schedule.exhaustive": good(
        crossings=lambda: lambda schedule: simulation.crossings(implementation(), schedule),
        messages=2,
        clients=("a",),
        cuts=1,
    ),
    "simulation.schedule.generate": good(seed=1, shape=None),
    "simulation.reconnect_herd.herd": good(clients=10, outage_s=1.0, seed=1),
    "simulation.history.Bounds": good(
        detection_s=1.0, recovery_s=1.0, outbox=1, dedupe=1, replay=1, attempts_per_s=1, lockstep_s=0.1
    ),
    "simulation.history.Recorder": good(now=lambda: lambda: 0.0),
    "simulation.run_report.draw": good(implementation=implementation, schedule=schedule),
    "simulation.end.Limits": good(max_size=None, max_queue=16, write_limit=10, ping_interval=None, open_timeout=1.0),
    "simulation.faults.Trigger": good(link="a", way="up", n=1, when="before", later_s=0.0),
    "simulation.faults.BalancerCut": good(at=trigger, for_s=0.1),
    "simulation.faults.BrokerCut": good(at=trigger, node="n1", for_s=1.0),
    "simulation.faults.BrokerRestart": good("keeps_log", at=trigger, down_s=0.1, keeps_log=True),
    "simulation.faults.NodeDrain": good(at=trigger, node="n1", down_s=0.1),
    "simulation.faults.NodeKill": good(at=trigger, node="n1", down_s=0.1),
    "simulation.run.play": good(implementation=implementation, schedule=schedule, watch=None),
    "simulation.run_report.show_run": good(implementation=implementation, schedule=schedule),
    "simulation.guarantees.judge": good(history=history, names=None),
    "simulation.history.History.from_json": good(text=lambda: history().to_json()),
    "simulation.schedule.Join": good(at_s=0.0, who="a"),
    "simulation.schedule.Say": good(at_s=0.0, who="a", body="a1"),
    "simulation.schedule.Schedule": good(
        seed=1, joins=lambda: schedule().joins, says=lambda: schedule().says, faults=(), latency_s=0.01, write_s=0.01
    ),
    "simulation.schedule.Schedule.from_json": good(text=lambda: schedule().to_json()),
    "simulation.schedule.simple": good(messages=2, clients=("a",), gap_s=0.0, faults=()),
    "simulation.searching.crossings": good(implementation=implementation, schedule=schedule),
    "simulation.searching.search": good(
        "keep_going", implementation=implementation, seeds=(1,), shape=None, names=None, keep_going=False
    ),
    "simulation.searching.search_all": good(
        "keep_going", implementation=implementation, messages=1, clients=("a",), cuts=1, names=None, keep_going=False
    ),
    "simulation.baseline.negative_control": good(seeds=(1,), shape=None),
    "simulation.shrinking.shrink": good(schedule=schedule, breaks=lambda: lambda _: False, most_runs=3),
    "simulation.implementation.Store": good(disk=simulation.Disk, write_s=0.1, recorder=None),
    "simulation.forbidden_io.WallClockGuard": good(),
}
RESULTS = [  # made by us and handed out, or a shape that the learner's own class has
    "experiments.byte_ledgers.ByteTable", "benchmark.reporting.Growth",
    "labs.lab2_events.given.Envelope", "labs.lab2_events.given.Failed", "labs.lab2_events.given.Left",
    "labs.lab2_events.given.Limits", "labs.lab2_events.given.Namespace", "labs.lab2_events.given.Options",
    "labs.lab2_events.given.Refused", "labs.lab2_events.given.TaskOwner", "labs.lab2_events.given.Violation",
    "labs.lab2_events.lab1_server.Closed",
    "simulation.nodes.network.MemberContext", "simulation.nodes.network.NodeContext",
    "grading.steps.Checks", "grading.steps.Hint", "grading.steps.Step", "grading.transcript.CheckFailed",
    "grading.transcript.Result", "grading.transcript.Transcript", "protocols.capture.Capture",
    "protocols.websocket.Frame",
    "labs.lab1_framing.given.Closed", "labs.lab1_framing.given.Frame", "labs.lab1_framing.given.Header",
    "labs.lab1_framing.given.ListeningServer", "labs.lab1_framing.given.Refused", "labs.lab1_framing.given.Violation",
    "simulation.implementation.Client", "simulation.implementation.ClientContext", "simulation.implementation.Server",
    "simulation.implementation.ServerContext", "simulation.loop.VirtualLoop",
    "simulation.shrinking.Counterexample", "simulation.baseline.BaselineClient", "simulation.baseline.BaselineServer",
    "simulation.baseline.say",
    "simulation.forbidden_io.Deadlock", "simulation.forbidden_io.OutOfTime",
    "simulation.forbidden_io.SimulationError", "simulation.forbidden_io.WallClock",
    "simulation.history.App", "simulation.history.History", "simulation.history.HistoryRecord",
    "simulation.run_report.Ladder", "simulation.run_report.Mark",
    "simulation.run_report.Rung", "simulation.run_report.RunReport", "simulation.searching.Findings",
    "simulation.implementation.Disk", "simulation.implementation.Entry",
    "simulation.guarantees.Predicate", "simulation.guarantees.Verdict", "net.servers.DirectConnection",
]  # fmt: skip


ELSEWHERE = [  # whose good call needs a server, a course or a long search: refused in tests of their own
    "benchmark.rounds.paired",  # tests/test_benchmark_rounds.py
    "benchmark.rounds.Several", "net.servers.asgi_server",  # tests/test_chapter05.py
    "experiments.fan_outs.fan_out", "experiments.fan_outs.megaphone",  # tests/test_chapter05.py
    "experiments.fan_outs.megaphone_socketio",
    "grading.finished_labs.lab5_bare_contender", "grading.finished_labs.lab5_contender",  # test_benchmark_sessions.py
    "simulation.nodes.run.play_nodes",  # tests/test_simulation_nodes.py
    "simulation.nodes.run.search_nodes",
    "experiments.cluster_apps.by_hand", "experiments.cluster_apps.mailbox",  # a node calls them
    "experiments.cluster_apps.no_adapter", "experiments.cluster_apps.no_bus", "experiments.cluster_apps.with_adapter",
    "experiments.slow_clients.broadcasts", "experiments.slow_clients.emits", "experiments.slow_clients.ticker",
    "experiments.cluster_trials.away_for_four", "experiments.cluster_trials.clients_served",  # test_chapter04.py
    "experiments.cluster_trials.everybody_writes",
    "experiments.upgraded_streams.upgraded_stream", "experiments.bombs.send_to_server",  # tests/test_chapter01.py
    "experiments.both_ways.large_both_ways", "experiments.both_ways.order_of_senders",
    "experiments.closings.close_with", "experiments.bombs.bomb",
    "experiments.cluster_trials.cut_off", "experiments.cluster_trials.everybody_writes",
    "experiments.cluster_trials.first_two_requests", "experiments.cluster_trials.say_across",
    "experiments.slow_clients.one_slow_reader", "experiments.slow_clients.what_waits",
    "experiments.upgraded_streams.upgraded_stream",  # tests/test_chapter01.py
    # tests/test_experiments_page.py, test_experiments_reaction.py
    "experiments.page.live_page", "experiments.conversations.reaction",
    # tests/test_conclusions_event_wrapping.py
    "experiments.event_trials.around_a_cut", "experiments.event_trials.say_packets",
    "labs.lab2_events.lab1_server.serve_websocket",  # tests/test_lab2_layer.py
    "labs.lab2_events.lab1_server.websocket_layer",
    "labs.lab1_framing.given.carry_bytes", "labs.lab1_framing.given.hang_up",  # tests/test_lab1_given.py
    "labs.lab1_framing.given.library_handshake", "labs.lab1_framing.given.simple_server",
    # tests/test_experiments_bench_clients.py
    "experiments.bench_clients.packet_client", "experiments.bench_clients.raw_client",
    "experiments.bench_clients.socketio_client", "experiments.bench_clients.try_handshake",
    # tests/test_conclusions_failure_handling.py; a herd calls the last one
    "experiments.failure_trials.connect_all", "experiments.failure_trials.handed_over",
    "simulation.reconnect_herd.javascript_waits",
    "labs.lab3_failure.session.guarantee_matrix",  # tests/test_guarantees.py
    "labs.lab3_failure.session.own_column",
    "labs.lab3_failure.session.again", "labs.lab3_failure.session.look",  # below
    "labs.lab4_scaling.searching.again", "labs.lab4_scaling.searching.draft",  # tests/test_lab4_checks.py
    "labs.lab4_scaling.searching.look",
    "labs.lab5_overhead.searching.again", "labs.lab5_overhead.searching.cost",  # tests/test_lab5_checks.py
    "labs.lab5_overhead.searching.look",
    "labs.first_draft.FirstDraft.define", "labs.first_draft.FirstDraft.show",  # tests/test_lab4_checks.py
]  # fmt: skip
ALSO = (  # what the labs' authors and the command line call
    *(written, judge, earlier, two_ends),
    *(play_nodes, search_nodes, MemberContext, NodeContext),
)


# --- which names are public


@cache
def public() -> dict[str, Any]:
    """Every public function and class, by its home without "midspan."."""
    things = [getattr(midspan, name) for name in midspan.__all__]
    things += [getattr(simulation, name) for name in simulation.__all__]
    things += [getattr(grading, name) for name in grading.__all__]
    things += [*imported(), *ALSO]
    for module in (module for layer in LAYERS for module in modules(layer)):
        made = [one for one in vars(module).values() if made_in(one, module)]
        things += [one for one in made if one.__name__ in named_in_the_course()]
    return {home(thing): thing for thing in things if is_ours(thing) and not thing.__name__.startswith("_")}


@cache
def named_in_the_course() -> frozenset[str]:
    """Every word in the cells of the notebooks and labs, in README.md and in docs/."""
    texts = [cell.source for notebook in found("notebooks", "labs", "solutions") for cell in notebook.cells]
    texts += [page.read_text("utf-8") for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


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
    if not is_ours(thing) or inspect.isclass(thing) or thing.__module__ != module.__name__:
        return False
    return module.__name__ not in INNER and home(thing) not in INNER


def home(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}".removeprefix("midspan.")


def is_ours(thing: Any) -> bool:
    return hasattr(thing, "__qualname__") and thing.__module__.startswith("midspan.")


def test_a_function_is_public_where_the_course_names_it() -> None:
    assert {"pictures.frames.anatomy", "protocols.capture.read_tls_records"} <= set(public())
    assert "protocols.exchange.without_sids" not in public()


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
        lambda: look(implementation(), None),  # type: ignore[arg-type]
        lambda: look(implementation(), "no such"),
        lambda: again(implementation(), "retry", "1"),  # type: ignore[arg-type]
        lambda: again(implementation(), "no such", 1),
    ],
)
def test_a_search_that_cannot_begin_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(Refusal) as caught:
        call()
    assert SENTENCE.fullmatch(str(caught.value))
