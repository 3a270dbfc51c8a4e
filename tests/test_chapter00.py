"""The table of names in `00_two_layers`: each is looked up where the table says that it is found."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import engineio
import pandas
import socketio
from websockets.asyncio.client import ClientConnection, connect

from midspan.grading import notebooks
from midspan.protocols.websocket import OPCODES

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
