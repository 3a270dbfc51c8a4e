"""What a notebook shows: cards for verdicts, pictures for records, always with the text beside them."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import midspan
from midspan import pictures
from midspan.conclusions.verdicts import ClaimList, Conclusion, Ledger, Ruling, Seen
from midspan.errors import Refusal
from midspan.experiments.bench import Leftovers
from midspan.grading import progress as remembered
from midspan.grading.predictions import Guess, Score
from midspan.grading.steps import Hint, Lab
from midspan.grading.transcript import Line, Result, Transcript
from midspan.pictures import cards
from midspan.pictures import outputs as shown_as
from midspan.pictures.ladders import ladder
from midspan.pictures.outputs import SIZE, Caption, _plain, png
from midspan.pictures.svg import sans_px
from midspan.protocols.dissecting import dissect, sample
from midspan.protocols.http import HttpHead
from midspan.protocols.layering import layers
from midspan.protocols.websocket import Frame
from midspan.simulation import NAIVE, search, show_run
from tests import cells

HOSTILE = "<script>alert(1)</script>"
LINES = (
    Line("said", "we feed it byte by byte"),
    Line("held", f"a frame of {HOSTILE}"),
    Line("broken", "a long one", expected="126", got=HOSTILE),
)
WRONG = Result("lab9", "frame", "wrong", LINES, f"Mind the length.\n{HOSTILE}", "length", (HOSTILE,), HOSTILE)


@pytest.fixture
def shell() -> Any:
    """What our formatters need of an IPython shell; registered twice, as when a cell is run again."""
    made = cells.shell()
    pictures.register(made)
    pictures.register(made)
    return made


def shown() -> list[object]:
    """One of each kind that has a formatter."""
    seen = dissect(sample("upgrade"))
    frame = seen.frames()[0]
    assert isinstance(frame.record, Frame)
    ruling = Ruling(Conclusion("L1", HOSTILE, "holds", "websockets", HOSTILE, HOSTILE, Seen), HOSTILE)
    found = search(NAIVE, [0], names=["no_loss"]).counterexamples["no_loss"]
    return [
        seen,
        seen[0],
        frame.record,
        layers(frame),
        seen.heads()[0],
        WRONG,
        Hint("frame", 1, HOSTILE),
        Guess("a", HOSTILE, {"a": HOSTILE, "b": "no"}, "a"),
        Guess("a", HOSTILE, {"a": HOSTILE, "b": "no"}, "?"),
        Score("a", "a", "a", HOSTILE),
        Score("a", "?", "a", ""),
        ruling,
        Ledger((ruling,)),
        Ledger(()),
        ClaimList({"L1": HOSTILE}, (ruling,)),
        found,
        found.ladder,
        show_run(NAIVE, found.schedule, "no_loss", "no_duplicate", "authorised"),
    ]


def test_each_kind_has_a_picture_and_a_text(shell: Any) -> None:
    """text/html and text/plain for each; the text is str(), and no payload becomes markup."""
    for thing in shown():
        data, _ = shell.display_formatter.format(thing)
        assert data["text/plain"] == str(thing)
        assert data["text/html"].startswith(("<div", "<pre", "<table"))
        assert "<script" not in data["text/html"]


def test_what_is_stored_is_shown_by_every_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No HTML and no SVG, which are taken apart where a notebook is not trusted: a PNG of its size, or the text."""
    monkeypatch.setenv(pictures.PORTABLE, "1")
    made = cells.shell()
    pictures.register(made)
    for thing in shown():
        data, metadata = made.display_formatter.format(thing)
        assert data["text/plain"] == str(thing)
        drawn = not isinstance(thing, HttpHead | Result | Hint | Guess | Score | Ruling | Ledger | ClaimList)
        assert set(data) == ({"text/plain", "image/png"} if drawn else {"text/plain"})
        if drawn:
            size = Image.open(io.BytesIO(data["image/png"])).size
            assert size == (2 * metadata["image/png"]["width"], 2 * metadata["image/png"]["height"])


def test_words_around_a_drawing_are_drawn_with_it() -> None:
    """What stands above and below in a page stands in the picture too: wrapped to its width, and all of it inside."""
    found = search(NAIVE, [0], names=["no_loss"]).counterexamples["no_loss"]
    whole = shown_as.counterexample_picture(found)
    assert whole is not None
    drawn, words = whole.picture(), " ".join(re.sub("<[^>]+>", " ", whole.picture().svg).split())
    for said in (found.reason, "Smallest schedule", "Again:"):
        assert said.split(".")[0] in words
        assert said.split(".")[0] in whole.html()
    assert drawn.height > whole.drawn.height
    assert all(float(y) < drawn.height for y in re.findall(r'<text x="[^"]+" y="([^"]+)"', drawn.svg))
    long = Caption("word " * 100, "no_loss:").lines(900)
    assert len(long) > 1
    assert all(sans_px(line, SIZE) <= 900 for line in long)


def test_a_png_is_equal_on_every_machine() -> None:
    """Its fonts are matplotlib's, and nothing is left of the page's theme; the same picture gives the same bytes."""
    drawn = ladder(dissect(sample("upgrade")))
    assert png(drawn) == png(drawn)
    plain = _plain(drawn.svg)
    assert "var(" not in plain
    assert set(re.findall(r"font-family:([^;\"]+)", plain)) <= {"'DejaVu Sans'", "'DejaVu Sans Mono'"}


def test_without_the_drawer_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with an extra; who installed the package alone can do all but store."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(Refusal, match=r"make study.*midspan\[teach\]"):
        png(ladder(dissect(sample("upgrade"))))


def test_what_has_no_picture_has_its_text(shell: Any) -> None:
    """Leftovers, and an exchange too long to draw, are shown by their text alone."""
    data, _ = shell.display_formatter.format(Leftovers())
    assert data == {"text/plain": "All closed. Still open: nothing."}
    seen = dissect(sample("polling"))
    data, _ = shell.display_formatter.format(type(seen)(seen.sightings * 20))
    assert list(data) == ["text/plain"]


def test_formatters_name_things_that_exist() -> None:
    """A type that is renamed would silently lose its picture."""
    from importlib import import_module

    for (module, name), (shown_by, function) in pictures.PICTURES.items():
        assert isinstance(getattr(import_module(module), name), type)
        assert callable(getattr(import_module(shown_by), function))
    for module, name in pictures.TEXTS:
        assert isinstance(getattr(import_module(module), name), type)


def test_a_result_says_everything_its_text_says() -> None:
    """The card holds each line, what was expected and what came, the message and what was printed."""
    card = cards.result_card(WRONG)
    for words in ("✗ frame: wrong", "we feed it byte by byte", "expected", "126", "got", "Mind the length.", "printed"):
        assert words in card
    assert card.count("&lt;script&gt;") == 5


def test_progress_is_drawn_with_signs() -> None:
    """✓ for a step that passes, ○ for one still to do, ↻ for one that passed once, in text and in the picture."""
    lab = Lab("lab9_test", "A test")
    for name in ("first", "second"):
        lab.step(name, minutes=1, lines=1, points=1, hints=("a", "b", "c"))(_body(name))
    remembered.passed("lab9_test", "first")
    done = cards.Progress(((lab, remembered.standing("lab9_test")),))
    assert str(done) == "1 of 2 steps done\nlab9_test: A test\n  ✓ first\n  ○ second"
    assert "1 of 2 steps done" in done._repr_html_()
    remembered.failed("lab9_test", "first", "wrong")
    lapsed = cards.Progress(((lab, remembered.standing("lab9_test")),))
    words = "↻ first: passed once, wrong at the last check"
    assert str(lapsed) == f"0 of 2 steps done\nlab9_test: A test\n  {words}\n  ○ second"
    assert words in lapsed._repr_html_()
    assert "0 of 2 steps done" in lapsed._repr_html_()
    assert str(cards.Progress(())) == "0 of 0 steps done"
    assert str(cards.progress()).splitlines()[0].endswith("steps done")
    with pytest.raises(Refusal, match="Expected one of the labs"):
        cards.progress("lab99")


def test_a_head_shows_its_lines_without_what_varies() -> None:
    """The key is masked in the picture as in the text."""
    head = dissect(sample("raw")).heads()[0]
    assert isinstance(head, HttpHead)
    assert "Sec-WebSocket-Key: <16 random bytes in base64>" in head.text()
    assert "Sec-WebSocket-Key" in head.text(hide=False)
    assert head.header("sec-websocket-key") not in head.text()


def test_the_facade_imports_nothing_until_it_is_used() -> None:
    """`import midspan` loads none of the layers, nor what they need, in a fresh interpreter; it looks for a shell."""
    code = (
        "import sys, midspan; print([m for m in sys.modules if m.startswith(('midspan.', 'pandas', 'asyncio', 'ssl'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['midspan.errors']"


def test_the_facade_has_what_it_says() -> None:
    """Every name leads somewhere; the type checker's list is the same; a name that is not there is explained."""
    for name in midspan.__all__:
        assert getattr(midspan, name).__module__ == f"midspan.{midspan.HOMES[name]}"
    tree = ast.parse(Path(str(midspan.__file__)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {i.names[0].name: i.module for i in block.body if isinstance(i, ast.ImportFrom)}
    assert typed == {name: f"midspan.{home}" for name, home in midspan.HOMES.items()}
    assert dir(midspan) == midspan.__all__
    with pytest.raises(AttributeError, match="midspan has no 'bananas'; it has Bench"):
        midspan.bananas  # noqa: B018


def _body(name: str) -> Any:
    def body(t: Transcript, answer: object) -> None:
        t.true("it is there", answer, got=answer, expected="anything")

    body.__name__ = name
    return body
