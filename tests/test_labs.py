"""Generated labs, the learner's own earlier work, serving a lab, storing outputs, the command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from midspan.__main__ import main
from midspan.errors import Refusal
from midspan.grading import lab_source, notebooks, steps
from midspan.grading.judging import judge
from midspan.grading.lab_source import clear, earlier, regenerate, store
from midspan.grading.serving import serve
from tests.course import ROOT
from tests.labs import lab0_adding
from tests.labs.lab0_adding import SOLVED, UNSOLVED, code, notebook, write
from tests.loops import in_a_loop


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with one small lab."""
    return lab0_adding.course(tmp_path, monkeypatch)


def test_clearing_leaves_stubs_ids_and_no_outputs() -> None:
    solved = notebook(SOLVED)
    solved["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hi"}]
    solved["cells"][2] |= {"execution_count": 7, "metadata": {**solved["cells"][2]["metadata"], "execution": {"t": 1}}}
    lab = clear(solved)
    sources = {notebooks.grade_id_of(cell): cell["source"] for cell in lab["cells"]}
    assert sources["double"] == "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert sources["check_double"] == "check.double(double)"
    assert [cell["id"] for cell in lab["cells"]] == [cell["id"] for cell in solved["cells"]]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in lab["cells"])
    assert "BEGIN SOLUTION" not in lab_source.text(lab)
    assert "execution" not in lab["cells"][2]["metadata"]


def test_clearing_twice_gives_the_same_text() -> None:
    assert lab_source.text(clear(notebook(SOLVED))) == lab_source.text(clear(notebook(SOLVED)))


def test_clearing_without_nbgrader_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nbgrader.preprocessors", None)
    with pytest.raises(Refusal, match=r"Install the extra: pip install -e '\.\[teach\]'"):
        clear(notebook(SOLVED))


def test_labs_are_written_when_they_differ_and_answers_are_not_lost(course: Path) -> None:
    assert regenerate() == ["lab0_adding"]
    assert regenerate() == []
    path = course / "labs" / "lab0_adding.ipynb"
    write(path, notebook({**UNSOLVED, "double": SOLVED["double"]}))
    with pytest.raises(Refusal, match="Keep a copy, then add --force"):
        regenerate()
    assert regenerate(force=True) == ["lab0_adding"]


def test_the_labs_of_the_course_are_what_the_solutions_generate() -> None:
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        generated = lab_source.text(clear(notebooks.read(path)))
        lab = ROOT / "labs" / path.name
        assert generated == lab.read_text("utf-8"), f"run: python -m midspan labs  (labs/{path.name} differs)"


def test_earlier_work_is_the_learners_where_it_passes(course: Path) -> None:
    mine = {**SOLVED, "double": "def double(x): return x + x", "total": "def total(xs): return 0"}
    write(course / "labs" / "lab0_adding.ipynb", notebook(mine))
    answers = earlier("lab0_adding")
    assert str(answers) == "lab0_adding\n  your own:        double, later\n  the reference's: total"
    assert (answers.mine, answers.others) == (("double", "later"), ("total",))
    assert answers.total([1, 2]) == 6
    with pytest.raises(AttributeError, match="the answers of lab0_adding define no 'triple'"):
        answers.triple  # noqa: B018


def test_earlier_work_up_to_a_step_is_judged_up_to_that_step(course: Path) -> None:
    mine = {**SOLVED, "total": "def total(xs): raise SystemExit"}
    write(course / "labs" / "lab0_adding.ipynb", notebook(mine))
    answers = earlier("lab0_adding", upto="double")
    assert str(answers) == "lab0_adding\n  your own:        double"
    assert answers.double(4) == 8
    with pytest.raises(AttributeError, match="define no 'total'"):
        answers.total  # noqa: B018
    with pytest.raises(Refusal, match="one of the steps double, total, later"):
        earlier("lab0_adding", upto="dubble")


def test_without_usable_earlier_work_the_reference_stands_in(course: Path) -> None:
    path = course / "labs" / "lab0_adding.ipynb"
    everything = "\n  the reference's: double, total, later"
    assert str(earlier("lab0_adding")) == "lab0_adding: labs/lab0_adding.ipynb is not there" + everything
    write(path, notebook(UNSOLVED))
    assert str(earlier("lab0_adding")) == "lab0_adding" + everything
    path.write_text("{", "utf-8")
    told = str(earlier("lab0_adding"))
    assert "labs/lab0_adding.ipynb cannot be used. Expected a notebook, a file of JSON" in told
    assert told.endswith(everything)


@in_a_loop
async def test_earlier_works_inside_a_running_loop() -> None:
    assert earlier("lab0_adding").double(4) == 8


@pytest.fixture
def own_course(monkeypatch: pytest.MonkeyPatch) -> None:
    """The course itself, in place of the one with a small lab."""
    monkeypatch.setattr(steps, "HOMES", ["midspan.labs"])
    monkeypatch.setenv("MIDSPAN_COURSE", str(ROOT))


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("own_course")
@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "solutions").glob("lab*.ipynb"))])
def test_the_judge_passes_each_solution(name: str) -> None:
    solved = judge(ROOT / "solutions" / f"{name}.ipynb")
    assert solved.passed, str(solved)


@pytest.mark.usefixtures("own_course")
def test_the_judge_finds_an_unsolved_lab_to_do() -> None:
    """One lab of the course; tests/test_kernels.py has every check of all of them say so, in a kernel."""
    assert {result.verdict for result in judge(ROOT / "labs" / "lab1_framing.ipynb").results} == {"to do"}


# --- serve


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@contextmanager
def serving(course: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, as a user starts it; yields it with the line it prints."""
    start = "import sys; from midspan.grading import steps; steps.HOMES = ['tests.labs']\n"
    start += "from midspan.__main__ import main; sys.exit(main())"
    environment = {**os.environ, "MIDSPAN_COURSE": str(course)}
    process = subprocess.Popen(
        [sys.executable, "-c", start, "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


async def echoed(line: str) -> bytes:
    """What the server of that line answers to a greeting; over TLS with the authority that the line names."""
    url = line.split(" serves ")[1].split()[0]
    scheme, _, port = url.replace("//", "").split(":")
    context = None
    if scheme == "wss":
        context = ssl.create_default_context(cafile=line.split("clients trust ")[1].rstrip(")\n"))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port), ssl=context, server_hostname=None)
    writer.write(b"hello\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("tls", [[], ["--no-tls"]], ids=["wss", "ws"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@in_a_loop
async def test_a_solved_lab_is_served_until_a_signal(course: Path, tls: list[str], number: signal.Signals) -> None:
    with serving(course, "lab0", "--from", "solutions", *tls) as (process, line):
        assert line.startswith("lab0_adding from solutions serves " + ("ws://" if tls else "wss://"))
        assert await echoed(line) == b"hello\n"
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    assert (out, errors, process.returncode) == ("", "", 0)
    assert tls or not os.path.exists(line.split("clients trust ")[1].rstrip(")\n"))  # noqa: ASYNC240


@in_a_loop
async def test_an_open_connection_does_not_keep_the_server(course: Path) -> None:
    with serving(course, "lab0", "--from", "solutions", "--no-tls") as (process, line):
        port = int(line.rstrip().rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        writer.close()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("lab", "source", "host", "words"),
    [
        ("lab9", "solutions", "127.0.0.1", "one of the labs lab0_adding"),
        ("lab0", "solutions", "0.0.0.0", "a loopback address"),
        ("lab0", "nowhere.ipynb", "127.0.0.1", "a notebook that exists"),
        ("lab0", "labs", "127.0.0.1", "but got steps still to do: double, total, later. Finish it first"),
    ],
)
@in_a_loop
async def test_what_cannot_be_served_is_a_sentence(lab: str, source: str, host: str, words: str) -> None:
    regenerate()
    with pytest.raises(Refusal, match=words):
        await serve(lab, source, host, 0, with_tls=False)


def later(serve: str) -> dict[str, str]:
    """The solution with another server."""
    return {**SOLVED, "later": f"async def later(x): return 2 * x\n\n{serve}"}


CANNOT_SERVE = {
    "a syntax error": ({**SOLVED, "double": "def double(x) return x"}, r"SyntaxError.* See your code, line 1: def dou"),
    "an error in a cell": ({**SOLVED, "total": "1 / 0"}, r"ZeroDivisionError: division by zero\. .* line 1: 1 / 0"),
    "a cell that hangs": ({**SOLVED, "double": "while True: pass"}, "No answer after 3 s"),
    "one step to do": ({**SOLVED, "double": UNSOLVED["double"]}, "but got steps still to do: double"),
    "no server": (later(""), "but got no such function"),
    "another signature": (later("async def serve(): pass"), "but got TypeError: serve"),
    "no coroutine": (later("def serve(host, port, tls): pass"), "but got TypeError"),
    "half to do": (later("async def serve(h, p, t):\n    raise LookupError('x')"), r"LookupError: x\. .*line 4"),
    "nothing comes": (later("async def serve(host, port, tls): pass"), "starts a server, but got None"),
}


@pytest.mark.parametrize(("answers", "words"), CANNOT_SERVE.values(), ids=CANNOT_SERVE)
def test_answers_that_cannot_serve_are_told_in_a_sentence(
    course: Path, run: Run, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], words: str
) -> None:
    monkeypatch.setenv("MIDSPAN_PATIENCE", "0.2")
    write(course / "labs" / "lab0_adding.ipynb", notebook(answers))
    code, out, err = run("serve", "lab0")
    assert (code, out) == (2, "")
    assert re.search(words, err)
    assert err.startswith("midspan serve: Expected ")
    assert err.count("\n") == 1


@in_a_loop
async def test_what_stands_behind_the_server_may_be_unwritten(course: Path) -> None:
    """The server of lab 1 is written a step before its end."""
    front = {"later": SOLVED["later"].replace("total([x])", "2 * x"), "double": UNSOLVED["double"]}
    write(course / "solutions" / "lab0_adding.ipynb", notebook({**front, "total": SOLVED["total"]}))
    write(course / "labs" / "lab0_adding.ipynb", notebook({**front, "total": "1 / 0"}))
    with serving(course, "lab0", "--no-tls") as (process, line):
        assert await echoed(line) == b"hello\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@in_a_loop
async def test_a_port_in_use_is_a_sentence() -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as busy:
        with pytest.raises(Refusal, match="a free port"):
            await serve("lab0", "solutions", "127.0.0.1", busy.sockets[0].getsockname()[1], with_tls=False)


# --- store


def test_stored_outputs_are_equal_on_each_run(tmp_path: Path) -> None:
    content = {
        **notebook({}),
        "cells": [code("print('a')\nprint('b')\n1 + 1", "sum"), code("import os; os.getcwd()", "")],
    }
    content["cells"][1]["source"] = "import os; os.path.basename(os.getcwd()), 'MIDSPAN_HOME' in os.environ"
    path = write(tmp_path / "notebooks" / "x.ipynb", content)
    assert store(path)
    assert not store(path)
    stored = json.loads(path.read_text("utf-8"))
    assert [output["output_type"] for output in stored["cells"][0]["outputs"]] == ["stream", "execute_result"]
    assert stored["cells"][1]["outputs"][0]["data"]["text/plain"] == ["('notebooks', True)"]
    assert stored["cells"][0]["id"] == "sum"
    assert len(stored["cells"][1]["id"]) == 12
    assert "version" not in stored["metadata"]["language_info"]
    assert "execution" not in stored["cells"][0]["metadata"]


def test_a_notebook_that_fails_is_left_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "x.ipynb", {**notebook({}), "cells": [code("1 / 0", "bad")]})
    before = path.read_bytes()
    with pytest.raises(Refusal, match="ZeroDivisionError"):
        store(path)
    assert path.read_bytes() == before


def test_a_failed_check_shows_its_card_in_a_kernel_and_no_traceback_of_ours(course: Path) -> None:
    """A check works beside the kernel's own running loop, and an answer's printing goes to its result."""
    cells = [
        code(f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom tests.labs.lab0_adding import check", "a"),
        code("def double(x):\n    print('hi')\n    return x * x\ncheck.double(double)", "b", tags=["raises-exception"]),
        code("async def later(x): return x\nawait later(3); check.later(later, sum)", "c"),
        code("def stuck(x):\n    while True: pass\ncheck.double(stuck)", "d", tags=["raises-exception"]),
        code("import threading; [t.name for t in threading.enumerate() if 'midspan' in t.name]", "e"),
    ]
    path = write(course / "x.ipynb", {**notebook({}), "cells": cells})
    store(path)
    outputs = [cell["outputs"] for cell in json.loads(path.read_text("utf-8"))["cells"]]
    assert [o["output_type"] for o in outputs[1]] == ["display_data", "error"]
    shown, error = outputs[1]
    assert "".join(shown["data"]["text/plain"]).splitlines() == [
        "✗ double: wrong",
        "  ✓ double of 2",
        "  ✗ double of 3",
        "      expected: 6",
        "      got:      9",
        "  Double is twice the number, not its square.",
        "  Your code printed:",
        "    | hi",
        "    | hi",
    ]
    assert error["ename"] == "CheckFailed"
    assert error["evalue"] == "".join(shown["data"]["text/plain"])
    assert error["traceback"] == ["double: wrong. The transcript above says why, and Run All stops here."]
    assert outputs[2][0]["data"]["text/plain"] == ["✓ later: passed\n", "  ✓ the same, awaited"]
    assert "it hangs" in outputs[3][1]["evalue"]
    assert outputs[4][0]["data"]["text/plain"] == ["[]"]


# --- the command line


def test_judge_exits_with_0_1_or_2(course: Path, run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    solved: Any = course / "solutions" / "lab0_adding.ipynb"
    code, out, _ = run("judge", solved, "--junit", report)
    assert (code, out.splitlines()[-1]) == (0, "3 of 3 steps pass.")
    assert ElementTree.parse(report).getroot().attrib["failures"] == "0"
    wrong = write(course / "labs" / "lab0_adding.ipynb", notebook({**SOLVED, "double": "def double(x): return x * x"}))
    code, out, _ = run("judge", wrong)
    assert code == 1
    assert "Double is twice the number, not its square." in out
    code, out, err = run("judge", course / "none.ipynb")
    assert (code, out) == (2, "")
    assert err.startswith("midspan judge: Expected a notebook that exists")
    assert run("judge", solved, "--junit", course / "no" / "such.xml")[0] == 2


def test_labs_and_store_say_what_they_did(course: Path, run: Run) -> None:
    assert run("labs") == (0, "Written again: lab0_adding\n", "")
    assert run("labs") == (0, "labs/ is as solutions/ has it.\n", "")
    path = write(course / "x.ipynb", {**notebook({}), "cells": [code("1 + 1", "sum")]})
    assert run("store", path) == (0, f"{path}: stored\n", "")
    assert run("serve", "lab0", "--host", "8.8.8.8")[0] == 2
