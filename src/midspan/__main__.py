"""The command line: `python -m midspan study | judge | serve | bench | labs | store | picture`.

This module parses the arguments and calls the function that does the work.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from midspan.errors import Refusal

PASSED, FAILED, CANNOT = 0, 1, 2  # exit codes of the commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. A refusal writes a sentence to stderr and gives the code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a Windows console may lack the sign for "passed"
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except Refusal as refusal:
        print(f"midspan {options.command}: {refusal}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130  # as a shell reports Ctrl-C: 128 and the signal's number


def _study(options: argparse.Namespace) -> int:
    from midspan.study import open_course

    open_course(options.start, options.jupyter)
    return PASSED


def _judge(options: argparse.Namespace) -> int:
    if options.seeds is not None:
        return _judge_seeds(options)
    from midspan.grading.judging import judge
    from midspan.grading.junit_report import junit

    report = judge(options.file)
    print(report)
    if options.junit:
        try:
            options.junit.write_text(junit(report), "utf-8")
        except OSError as error:
            raise Refusal(
                "a file that can be written", str(options.junit), f"Choose another. {error.strerror}"
            ) from None
    return PASSED if report.passed else FAILED


def _judge_seeds(options: argparse.Namespace) -> int:
    from midspan.grading.judging import judge_seeds

    report = judge_seeds(options.file, range(options.start, options.start + options.seeds), options.link)
    print(report)
    return PASSED if report.passed else FAILED


def _serve(options: argparse.Namespace) -> int:
    from midspan.grading.serving import Files, serve

    given = {name: value for name in (*OPTIONS, *OF_A_NODE) if (value := getattr(options, name)) is not None}
    files = Files(options.certificate, options.key)
    asyncio.run(serve(options.lab, options.source, options.host, options.port, options.tls, given, files))
    return PASSED


def _bench(options: argparse.Namespace) -> int:
    from midspan.benchmark.reporting import report
    from midspan.grading import progress
    from midspan.grading.finished_labs import lab3_contender, lab5_contender

    ours, idle = lab5_contender(options.source), lab5_contender(options.source, room="all")
    found = asyncio.run(report(ours, lab3_contender(), idle=idle, rounds=options.rounds))
    print(found)
    benched = importlib.import_module("midspan.pictures.costs")
    for path in benched.write(found, progress.course(), readme=options.readme):
        print(f"written: {path.relative_to(progress.course())}")
    return PASSED


def _labs(options: argparse.Namespace) -> int:
    from midspan.grading.lab_source import regenerate

    changed = regenerate(options.force)
    print("Written again: " + ", ".join(changed) if changed else "labs/ is as solutions/ has it.")
    return PASSED


def _store(options: argparse.Namespace) -> int:
    from midspan.grading.lab_source import store

    for file in options.files:
        print(f"{file}: {'stored' if store(file) else 'as it was'}", flush=True)
    return PASSED


def _picture(_: argparse.Namespace) -> int:
    from midspan.grading import progress

    print(
        importlib.import_module("midspan.pictures.costs").write_exchange(progress.course())
    )  # matplotlib loads for no other command
    return PASSED


def _milliseconds(text: str) -> float:
    """Convert whole milliseconds, the unit of Socket.IO's own options, to seconds."""
    return _positive("milliseconds", text) / 1000


def _size(text: str) -> int:
    return _positive("bytes", text)


def _positive(unit: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of {unit} from 1 on, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    return _whole(text, 1)


def _port(text: str) -> int:
    return _whole(text, 0, 65535)


def _whole(text: str, least: int | None = None, most: int | None = None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
    if (least is not None and number < least) or (most is not None and number > most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"expected a whole number {bounds}, got {text!r}")
    return number


FIRST = "notebooks/00_two_layers.ipynb"

# a parameter of a lab's server -> its option on the command line, which has Socket.IO's name
OPTIONS = {
    "ping_interval_s": ("--pingInterval", _milliseconds, "MS", "a Socket.IO server's; milliseconds between two pings"),
    "ping_timeout_s": ("--pingTimeout", _milliseconds, "MS", "milliseconds until the pong must be there"),
    "max_payload": ("--maxPayload", _size, "BYTES", "bytes of the longest message"),
    "connect_timeout_s": ("--connectTimeout", _milliseconds, "MS", "milliseconds until a namespace must be joined"),
}
OF_A_NODE = ("broker", "node", "origins")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m midspan", description="Socket.IO vs raw WSS, by experiment")
    commands = parser.add_subparsers(dest="command", required=True)

    open_course = commands.add_parser("study", help="open JupyterLab on the course; Ctrl-C ends it")
    open_course.set_defaults(run=_study)
    open_course.add_argument("--start", default=FIRST, metavar="FILE", help=f"to open first; default: {FIRST}")
    open_course.add_argument("jupyter", nargs="*", metavar="-- OPTIONS", help="JupyterLab's own: -- --port=9000")

    judge = commands.add_parser(
        "judge", help="judge the answers in a lab's notebook (0: all pass, 1: not all, 2: cannot)"
    )
    judge.set_defaults(run=_judge)
    judge.add_argument("file", type=Path, metavar="FILE.ipynb")
    judge.add_argument("--junit", type=Path, metavar="FILE.xml", help="write the verdicts as JUnit XML too")
    judge.add_argument("--seeds", type=_count, metavar="N", help="instead: play N schedules with the lab's session")
    judge.add_argument("--start", type=_whole, default=0, metavar="S", help="the first seed; default: 0")
    judge.add_argument("--link", choices=("simulated", "real"), default="simulated", help="default: simulated")

    serve = commands.add_parser("serve", help="start the server that a finished lab has built, on loopback")
    serve.set_defaults(run=_serve)
    serve.add_argument("lab", help="a lab, or the start of its name: lab1")
    serve.add_argument("--from", dest="source", default="labs", metavar="solutions|labs|FILE", help="default: labs")
    serve.add_argument("--port", type=_port, default=0, help="0, the default, takes a free one")
    serve.add_argument("--host", default="127.0.0.1", help="a loopback address; another one: docs/several_hosts.md")
    serve.add_argument("--no-tls", dest="tls", action="store_false", help="plain ws")
    serve.add_argument("--certificate", type=Path, metavar="FILE.pem", help="with its chain; default: a throw-away one")
    serve.add_argument("--key", type=Path, metavar="FILE.pem", help="the certificate's")
    serve.add_argument("--broker", metavar="URL", help="a node's; default: what REDIS_URL says")
    serve.add_argument("--node", metavar="NAME", help="a node's name, of its own among all nodes of the broker")
    origins = "a node's: whose pages may connect; may be given more than once"
    serve.add_argument("--origin", dest="origins", action="append", metavar="URL", help=origins)
    for name, (flag, type, metavar, help) in OPTIONS.items():
        serve.add_argument(flag, dest=name, type=type, metavar=metavar, help=help)

    bench = commands.add_parser("bench", help="measure what the guarantees cost, against python-socketio")
    bench.set_defaults(run=_bench)
    bench.add_argument("--from", dest="source", default="solutions", metavar="solutions|labs|FILE", help="whose lab")
    bench.add_argument("--rounds", type=_count, default=5, metavar="N", help="default: 5; fewer give no verdict")
    bench.add_argument("--readme", action="store_true", help="put the tables into README.md too")

    labs = commands.add_parser("labs", help="write labs/ again from solutions/")
    labs.set_defaults(run=_labs)
    labs.add_argument("--force", action="store_true", help="also over labs that hold answers")

    store = commands.add_parser("store", help="run notebooks on a fresh kernel and keep their outputs")
    store.set_defaults(run=_store)
    store.add_argument("files", type=Path, nargs="+", metavar="FILE.ipynb")

    commands.add_parser("picture", help="draw the README's picture again").set_defaults(run=_picture)
    return parser


if __name__ == "__main__":
    sys.exit(main())
