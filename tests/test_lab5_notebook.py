"""Lab 5's notebook: its title, its searches, its numbers; the package holds no answer."""

from __future__ import annotations

from midspan.labs.lab5_overhead import lab
from midspan.labs.lab5_overhead import searching as lab5_searching
from midspan.simulation import PREDICATES
from tests.course import ROOT, Notebook
from tests.solved import LAB5

NOTEBOOK = Notebook(LAB5.path)


def test_the_title_says_how_many_steps_there_are() -> None:
    assert len(lab.steps) == 10
    assert "There are ten **steps**" in NOTEBOOK.cells[0].source


def test_all_predicates_are_searched_for_in_the_last_step() -> None:
    searches = lab5_searching.SEARCHES
    assert set(searches["cheaper"][0].breaks) == set(PREDICATES)
    assert set(searches) == set(lab.steps) - {"head"}


def test_what_the_checks_take_from_the_notebook_is_what_it_says() -> None:
    """Kinds, limits and times stand in the notebook; a check that looks at bytes must have the same."""
    from midspan.labs.lab5_overhead import direct_handling, packets, sending

    said = LAB5.answers()
    assert (said.LONGEST, said.ACK_S, said.BATCH, said.ROOM) == (
        packets.LONGEST,
        sending.ACK_S,
        sending.BATCH,
        direct_handling.ROOM_BYTES,
    )
    assert packets.MANY > said.SHAPES
    kinds = [said.TEXT, said.DEFLATED, said.SHAPE, said.SHAPED, said.NUMBER, said.MINE, said.ASK, said.ACK]
    assert kinds == [*range(8)]


def test_the_package_holds_no_answer() -> None:
    """Nothing that the learner is to build stands in the lab's own checks."""
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / f"src/midspan/labs/{LAB5.name}").glob("*.py"))
    for name in ("Wire", "Shapes", "Sender", "Feed"):
        assert f"class {name}" not in sources
    for name in ("head(kind", "read_head(data", "block(text", "read_block(data", "runs(entries", "flush(line"):
        assert f"def {name}" not in sources
