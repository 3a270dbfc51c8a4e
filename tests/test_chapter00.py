"""Chapter 00: the names in its table are where it says, its cut is the cut it describes, its questions are scored."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import engineio
import pandas
import pytest
import socketio
from websockets.asyncio.client import ClientConnection, connect

from midspan.errors import Refusal
from midspan.experiments import run_chat
from midspan.experiments.chat_runs import GREETING
from midspan.grading import notebooks
from midspan.protocols.websocket import OPCODES
from midspan.simulation.run_report import Rung

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "00_two_layers.ipynb"


def table() -> pandas.DataFrame:
    """What the notebook's cell makes."""
    cells = ("".join(cell["source"]) for cell in notebooks.read(NOTEBOOK)["cells"])
    cell = next(source for source in cells if source.startswith("def first_matrix"))
    names: dict[str, Any] = {"pandas": pandas}
    exec(compile(cell, NOTEBOOK.name, "exec"), names)
    made: pandas.DataFrame = names["first_matrix"]()
    return made.set_index("what we get")


def names_in(*things: Any) -> set[str]:
    """The methods of these classes, and the options that they take."""
    return {name for thing in things for name in [*dir(thing), *inspect.signature(thing).parameters]}


def test_every_name_of_the_table_exists_where_it_says() -> None:
    """Opcodes in the protocol's own table, the rest among the methods and options of the installed packages."""
    found = {
        "RFC 6455": {name for name, _ in OPCODES.values()},
        "websockets": names_in(connect, ClientConnection),
        "python-socketio": names_in(socketio.AsyncClient, socketio.AsyncServer, engineio.AsyncServer),
    }
    assert list(table()) == list(found)
    for column, there in found.items():
        promised = {name for entry in table()[column] for name in entry.split(", ")} - {"-"}
        assert promised <= there, f"{column} has no {promised - there}"
        assert promised


def test_nothing_in_the_table_promises_everything() -> None:
    """The last row is empty."""
    assert set(table().iloc[-1]) == {"-"}


# The chat that opens the chapter.


@pytest.mark.parametrize("name", ["websockets", "python-socketio"])
@pytest.mark.parametrize(("number", "text"), [(1, "one"), (2, "two"), (3, "three")])
def test_the_cut_meets_the_message_that_it_names(name: str, number: int, text: str) -> None:
    """Of all messages that leave, only this one never arrives; what is sent later does."""
    run = run_chat(name, cut=number)
    lost = [step for step in run.ladder if isinstance(step, Rung) and step.arrives_s is None]
    assert [step.sender for step in lost] == ["ana"]
    assert text in lost[0].text
    arrived = {record.message for record in run.history.of("delivered")}
    assert "three" in arrived | {text}
    assert text not in arrived
    assert list(run.violated) == ["no_loss"]


@pytest.mark.parametrize("name", GREETING)
def test_without_a_cut_all_arrives(name: str) -> None:
    """The control."""
    run = run_chat(name)
    assert run.violated == {}
    assert {record.message for record in run.history.of("delivered")} == {"one", "two", "three"}


@pytest.mark.parametrize(("name", "messages", "cut"), [("recipe", 3, 0), ("websockets", 4, 0), ("websockets", 2, 3)])
def test_what_ana_does_not_send_is_refused(name: str, messages: int, cut: int) -> None:
    """An implementation without a greeting, a fourth message, a cut of a message that she does not send."""
    with pytest.raises(Refusal):
        run_chat(name, messages, cut)
