"""The judge: each step by itself, whatever its answer does; and files that cannot be judged get a sentence."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from midspan.__main__ import main
from midspan.errors import Refusal
from midspan.grading.judging import JudgeReport, judge, settle
from midspan.grading.junit_report import junit
from midspan.grading.transcript import Line, Result
from tests.labs import lab0_adding
from tests.labs.lab0_adding import SOLVED, UNSOLVED, checking, code, exercise, notebook, write

POSIX_ONLY = pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork on this system")


@pytest.fixture(autouse=True)
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with one small lab."""
    return lab0_adding.course(tmp_path, monkeypatch)


def judged(course: Path, content: dict[str, Any]) -> JudgeReport:
    return judge(write(course / "labs" / "lab0_adding.ipynb", content))


def verdicts(report: JudgeReport) -> dict[str, str]:
    return {result.step: result.verdict for result in report.results}


ALL_PASS = {"double": "passed", "total": "passed", "later": "passed"}


def test_the_solution_passes(course: Path) -> None:
    report = judged(course, notebook(SOLVED))
    assert verdicts(report) == ALL_PASS
    assert report.passed
    assert str(report).splitlines() == [
        "lab0_adding, answers from lab0_adding.ipynb",
        "  ✓ double  passed",
        "  ✓ total   passed",
        "  ✓ later   passed",
        "3 of 3 steps pass.",
    ]


def test_an_unsolved_lab_is_to_do_at_each_step(course: Path) -> None:
    assert verdicts(judged(course, notebook(UNSOLVED))) == dict.fromkeys(SOLVED, "to do")


HOSTILE = {
    "wrong": "def double(x): return x * x",
    "raises": "def double(x): return {}[x]",
    "a syntax error": "def double(x) return 2 * x",
    "raises in the cell": "def double(x): return 2 * x\n1 / 0",
    "hangs": "def double(x):\n    while True: pass",
    "hangs and catches everything": "def double(x):\n    while True:\n        try:\n            while True: pass\n"
    "        except BaseException: pass",
    "hangs in the cell": "while True: pass",
    "hangs in an await of the cell": "await asyncio.Event().wait()",
    "hangs in one call": "import time\ndef double(x): time.sleep(3600)",
    "hangs with a lock of the interpreter": "def double(x): return '9' in str(7 ** (7 ** 9))",
    "sys.exit": "import sys\ndef double(x): sys.exit(0)",
    "sys.exit in the cell": "import sys\nsys.exit(0)",
    "os._exit": "import os\ndef double(x): os._exit(0)",
    "os.abort": "import os\ndef double(x): os.abort()",
    "os._exit in the cell": "import os\nos._exit(0)",
    "a segmentation fault": "import ctypes\ndef double(x): return ctypes.string_at(0)",
    "endless recursion": "def double(x): return double(x)",
    "endless recursion past the limit": "import sys\nsys.setrecursionlimit(10**9)\n"
    "class R:\n    def __eq__(self, o): return [self] == [o]\ndef double(x): return R() == R()",
    "a memory hog": "def double(x):\n    hog = []\n    while True: hog.append(bytearray(1 << 24))",
    "a memory hog at once": "def double(x): return bytearray(1 << 45)",
    "os.fork": "import os\ndef double(x):\n    os.fork()\n    return 2 * x",
    "os.fork in the cell": "import os\nos.fork()\ndef double(x): return 2 * x",
    "os.fork, swallowed": "import os\ndef double(x):\n    try: os.fork()\n    except Exception: pass\n    return 2 * x",
    "a subprocess": "import subprocess\ndef double(x):\n    subprocess.run(['true'])\n    return 2 * x",
    "os.system": "import os\ndef double(x):\n    os.system('true')\n    return 2 * x",
    "multiprocessing": "import multiprocessing as m\ndef double(x):\n"
    "    m.get_context('spawn').Process(target=print).start()\n    return 2 * x",
    "kills its parent": "import os\ndef double(x):\n    os.kill(os.getppid(), 9)\n    return 2 * x",
    "a fork that the guard does not see": "import ctypes\ndef double(x):\n"
    "    return x * x if ctypes.CDLL(None).fork() else 2 * x",
    "closes every descriptor": "import os\nos.closerange(3, 100)\ndef double(x): return x * x",
    "writes a result of its own": "import os\nfor fd in (1, 2, 3, 4, 5, 6):\n    try: os.write(fd, b'x {}\\n')\n"
    "    except OSError: pass\ndef double(x): return x * x",
    "a million lines": "def double(x):\n    print('spam ' * 10**6)\n    return x * x",
    "a name of ours": "import json\njson.dumps = json.loads = None\ndef double(x): return x * x",
    "a thread that never ends": "import threading, time\nthreading.Thread(target=time.sleep, args=[3600]).start()\n"
    "def double(x): return x * x",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_fails_its_own_step_only(course: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_PATIENCE", "0.4")  # hanging ones are many
    report = judged(course, notebook({**SOLVED, "double": answer}))
    assert verdicts(report) == {**ALL_PASS, "double": "wrong"}
    assert not report.passed
    assert report.results[0].message


def test_what_crashed_is_said(course: Path) -> None:
    report = judged(course, notebook({**SOLVED, "double": HOSTILE["os._exit"]}))
    assert report.results[0].message == "Your code ended the whole process (exit code 0), as os._exit() does."
    report = judged(course, notebook({**SOLVED, "double": HOSTILE["os.fork, swallowed"]}))
    assert report.results[0].message == "Your code tried to use os.fork(). In double all happens in one process."
    report = judged(course, notebook({**SOLVED, "double": HOSTILE["a syntax error"]}))
    assert report.results[0].where == ("your code, line 1: def double(x) return 2 * x",)


@POSIX_ONLY
def test_os_abort_is_told_by_its_signal(course: Path) -> None:
    report = judged(course, notebook({**SOLVED, "double": HOSTILE["os.abort"]}))
    assert "SIGABRT" in report.results[0].message


def test_the_report_is_equal_on_each_run(course: Path) -> None:
    content = notebook({"double": HOSTILE["raises"], "total": UNSOLVED["total"], "later": HOSTILE["a syntax error"]})
    assert str(judged(course, content)) == str(judged(course, content))


def test_edited_or_deleted_checks_change_nothing(course: Path) -> None:
    content = notebook({**SOLVED, "double": HOSTILE["wrong"]})
    content["cells"] = [c if c["id"] != "double-check" else {**c, "source": "pass"} for c in content["cells"]]
    assert verdicts(judged(course, content))["double"] == "wrong"
    content["cells"] = [c for c in content["cells"] if not c["id"].endswith("-check")]
    assert verdicts(judged(course, content)) == {**ALL_PASS, "double": "wrong"}


def test_demonstrations_are_not_run_even_when_edited(course: Path) -> None:
    content = notebook(SOLVED)
    for cell in content["cells"]:
        if cell["id"].endswith("-shown"):
            cell["source"] = "import os; os._exit(1)"
    assert judged(course, content).passed


def test_cells_that_the_learner_adds_belong_to_the_next_check(course: Path) -> None:
    helper = code("def times(x, y): return x * y\n%timeit times(2, 2)", "new")
    answers = {**SOLVED, "total": "def total(xs): return times(2, sum(xs))"}
    content = notebook(answers)
    place = [c["id"] for c in content["cells"]].index("total-exercise")
    content["cells"].insert(place, helper)
    assert judged(course, content).passed
    content["cells"].remove(helper)
    content["cells"].append(helper)
    assert verdicts(judged(course, content)) == {**ALL_PASS, "total": "wrong"}


def test_a_failing_cell_of_the_learners_own_is_a_remark(course: Path) -> None:
    content = notebook(SOLVED)
    content["cells"].insert(2, code("bench.raw.url", "scratch"))
    report = judged(course, content)
    assert report.passed
    assert report.results[0].lines[0] == Line(
        "note", "A cell that was added raises NameError: name 'bench' is not defined; we went on without it."
    )


def test_an_added_cell_that_hangs_fails_its_step_only(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSPAN_PATIENCE", "0.4")
    content = notebook(SOLVED)
    place = [c["id"] for c in content["cells"]].index("later-exercise")
    content["cells"].insert(place, code("while True: pass", "scratch"))
    assert verdicts(judged(course, content)) == {**ALL_PASS, "later": "wrong"}


def test_setup_comes_from_the_reference_and_imports_added_to_it_stay(course: Path) -> None:
    content = notebook({**SOLVED, "double": "def double(x): return operator.mul(2, x)"})
    content["cells"][0]["source"] = "import operator\nasyncio = None"
    assert judged(course, content).passed


def test_exercises_are_found_by_cell_id_when_the_metadata_is_gone(course: Path) -> None:
    content = notebook({**SOLVED, "double": HOSTILE["wrong"]})
    for cell in content["cells"]:
        cell["metadata"] = {}
    assert verdicts(judged(course, content)) == {**ALL_PASS, "double": "wrong"}


def test_exercises_are_found_by_grade_id_when_the_ids_are_new_and_the_order_is_not_ours(course: Path) -> None:
    content = notebook(SOLVED)
    content["cells"] = [{**cell, "id": f"new-{i}"} for i, cell in enumerate(content["cells"])]
    assert judged(course, content).passed
    content["cells"].reverse()
    assert judged(course, content).passed


def test_a_missing_answer_is_to_do(course: Path) -> None:
    content = notebook(SOLVED)
    content["cells"] = [c for c in content["cells"] if c["id"] != "total-exercise"]
    report = judged(course, content)
    assert verdicts(report) == {**ALL_PASS, "total": "to do"}
    assert report.results[1].message == "Still to do: no cell defines total."


def test_the_last_of_two_copies_counts_as_in_a_kernel(course: Path) -> None:
    content = notebook(SOLVED)
    content["cells"].insert(3, exercise("double", HOSTILE["wrong"]))
    assert verdicts(judged(course, content))["double"] == "wrong"


def test_a_cell_may_await_and_import_from_the_future(course: Path) -> None:
    lines = "from __future__ import annotations\nawait asyncio.sleep(0)\ndef double(x: Nowhere): return 2 * x"
    assert judged(course, notebook({**SOLVED, "double": lines})).passed


def test_later_steps_run_on_the_learners_own_earlier_ones_when_they_pass(course: Path) -> None:
    own = "def double(x):\n    return 2 * x\ndouble.mine = True"
    needs = "def total(xs):\n    return sum(map(double, xs)) if double.mine else 0"
    assert judged(course, notebook({**SOLVED, "double": own, "total": needs})).passed


def test_a_cell_that_reads_a_file_reads_it_beside_the_notebook(course: Path) -> None:
    write(course / "labs" / "two.json", {"two": 2})
    answer = "import json\ndef double(x): return json.load(open('two.json'))['two'] * x"
    assert judged(course, notebook({**SOLVED, "double": answer})).passed


def test_no_progress_is_written(course: Path) -> None:
    content = notebook(SOLVED)
    content["cells"].insert(3, code("from tests.labs.lab0_adding import check; check.double(double)", "copied"))
    assert judged(course, content).passed
    assert not Path(os.environ["MIDSPAN_HOME"]).exists()


BAD_FILES = {
    "missing": (None, "a notebook that exists"),
    "no JSON": ("{", "a file of JSON"),
    "bytes": ("\udcff", "a file of JSON"),
    "a list": ("[]", "a notebook of format 4"),
    "cells of text": ('{"cells": ["x"]}', "a notebook of format 4"),
    "deeper than Python goes": ("[" * 100_000, "a file of JSON"),
    "another lab": ('{"cells": [], "metadata": {"midspan": {"lab": "lab9_other"}}}', "a notebook of one of the labs"),
    "odd metadata": ('{"cells": [], "metadata": 3}', "a notebook of one of the labs"),
}


@pytest.mark.parametrize(("text", "expected"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_judged_gets_a_sentence(tmp_path: Path, text: str | None, expected: str) -> None:
    path = tmp_path / "mine.ipynb"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Refusal, match=expected):
        judge(path)


def test_a_reference_that_does_not_fit_the_checks_is_refused(course: Path) -> None:
    write(course / "solutions" / "lab0_adding.ipynb", notebook({"double": SOLVED["double"]}))
    with pytest.raises(Refusal, match="checks for the steps double, total, later"):
        judged(course, notebook(SOLVED))


def test_an_empty_notebook_of_the_lab_is_all_to_do(course: Path) -> None:
    content = {**notebook(SOLVED), "cells": []}
    assert verdicts(judged(course, content)) == dict.fromkeys(SOLVED, "to do")


def test_cells_with_strange_metadata_are_borne(course: Path) -> None:
    content = notebook(SOLVED)
    content["cells"] += [{"cell_type": "code", "source": 3, "metadata": {"nbgrader": 3, "tags": 3}}, {"a": 1}]
    assert judged(course, content).passed


def test_settling_tries_each_step_with_exactly_the_answers_that_pass() -> None:
    """Whatever was guessed. Here d passes only beside the learner's own b; a and c never pass."""
    tried: list[tuple[str, frozenset[str]]] = []

    def try_step(step: str, earlier: frozenset[str]) -> Result:
        tried.append((step, earlier))
        passes = step == "b" or (step == "d" and "b" in earlier and "a" not in earlier)
        return Result("lab", step, "passed" if passes else "wrong")

    for guess in (True, False):
        results = settle(dict.fromkeys("abcd", guess), try_step)
        assert [r.verdict for r in results.values()] == ["wrong", "passed", "wrong", "passed"]
        assert ("d", frozenset("b")) in tried


def test_the_core_is_counted_by_itself_where_a_lab_has_more(course: Path) -> None:
    report = judged(course, notebook({**SOLVED, "double": "def double(x): return x"}))
    assert str(replace(report, core=("double", "total"))).splitlines()[4] == "2 of 3 steps pass. Core: 1 of 2."
    assert str(replace(report, core=())).splitlines()[4] == "2 of 3 steps pass."


def test_what_is_to_do_is_one_paragraph(course: Path) -> None:
    """A new lab has fourteen steps, and as many equal paragraphs would hide the one that is wrong."""
    report = judged(course, notebook({**UNSOLVED, "total": "def total(xs): return 0"}))
    assert str(report).splitlines()[:6] == [
        "lab0_adding, answers from lab0_adding.ipynb",
        "  ○ double  to do",
        "  ✗ total   wrong",
        "  ○ later   to do",
        "0 of 3 steps pass.",
        "Still to do: double, later.",
    ]
    assert str(report).count("to do") == 3
    assert "✗ total: wrong" in str(report)


def test_junit_counts_failures_and_survives_control_characters(course: Path) -> None:
    answer = "def double(x):\n    print('\\x00\\x1b]]>&<')\n    return 'é\\x00'"
    report = judged(course, notebook({**SOLVED, "double": answer, "later": UNSOLVED["later"]}))
    suite = ElementTree.fromstring(junit(report))[0]
    assert suite.attrib == {"name": "lab0_adding", "tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    assert [[child.tag for child in case] for case in suite] == [["failure"], [], ["skipped"]]
    assert [case.attrib for case in suite][1] == {"classname": "lab0_adding", "name": "total"}


def test_the_check_cells_of_the_test_lab_are_what_a_learner_would_run() -> None:
    assert checking("later")["source"] == "check.later(later, total)"
    assert json.dumps(notebook(SOLVED))
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("judge a.ipynb --seeds many", "argument --seeds: expected a whole number, got 'many'"),
        ("judge a.ipynb --seeds 0", "argument --seeds: expected a whole number from 1 on, got '0'"),
        ("judge a.ipynb --start x", "argument --start: expected a whole number, got 'x'"),
        ("serve lab1 --port abc", "argument --port: expected a whole number, got 'abc'"),
        ("serve lab1 --port 65536", "argument --port: expected a whole number from 0 to 65535, got '65536'"),
    ],
)
def test_a_number_that_is_none_is_told_in_a_sentence(
    arguments: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments.split())
    assert words in capsys.readouterr().err
