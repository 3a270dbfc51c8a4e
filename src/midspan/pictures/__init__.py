"""Pictures, tables and cards: HTML, SVG, pandas and matplotlib stay in this folder.

In this order:

1. `svg`: the elements that all pictures are made of, and one colour for each protocol.
2. `outputs`: the functions that show each type. `register`, below, names them to IPython.
3. `cards`: results of checks, hints and predictions.
4. `ladders` (an exchange), `runs` (a simulated run), `frames` (one frame, bit by bit), `scenes` (clients and servers).
5. `tables` (the guarantee matrix, an exchange as rows), `costs` (bars, and the files of `make bench`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from midspan.errors import ShownAsCard, imported_when_used

# Formatters are registered with IPython by the *name* of a type, so that registering imports nothing. The picture's
# module is imported when the first object of its kind is shown. Each type has its text twin: `text/plain` is `str()`.
#
# A running notebook shows HTML, which has the colours of JupyterLab's theme. But HTML must not be stored in a notebook
# for others: JupyterLab shows an untrusted file without its tags. With MIDSPAN_PORTABLE in the environment, which
# `python -m midspan store` sets, pictures are PNG, and all else is text.


PORTABLE = "MIDSPAN_PORTABLE"  # in the environment: store outputs that every viewer shows, also untrusted
PORTABLE_TYPES = ["text/plain", "image/png"]

# (module and name of the type) -> (module and function that shows it)
PICTURES: dict[tuple[str, str], tuple[str, str]] = {
    ("midspan.protocols.exchange", "Exchange"): ("midspan.pictures.outputs", "exchange"),
    ("midspan.protocols.exchange", "Sighting"): ("midspan.pictures.outputs", "sighting"),
    ("midspan.protocols.websocket", "Frame"): ("midspan.pictures.frames", "anatomy"),
    ("midspan.protocols.layering", "Stack"): ("midspan.pictures.outputs", "stack_picture"),
    ("midspan.protocols.http", "HttpHead"): ("midspan.pictures.outputs", "head_lines"),
    ("midspan.experiments.bench", "Bench"): ("midspan.pictures.scenes", "bench_picture"),
    ("midspan.experiments.page", "Page"): ("midspan.pictures.outputs", "browser"),
    ("midspan.experiments.guarantee_matrix", "Matrix"): ("midspan.pictures.tables", "matrix_picture"),
    ("midspan.simulation.run_report", "Ladder"): ("midspan.pictures.outputs", "ladder_picture"),
    ("midspan.simulation.run_report", "RunReport"): ("midspan.pictures.outputs", "run_report_picture"),
    ("midspan.simulation.shrinking", "Counterexample"): ("midspan.pictures.outputs", "counterexample_picture"),
    ("midspan.grading.transcript", "Result"): ("midspan.pictures.cards", "result_card"),
    ("midspan.grading.steps", "Hint"): ("midspan.pictures.cards", "hint_card"),
    ("midspan.grading.predictions", "Guess"): ("midspan.pictures.cards", "guess_card"),
    ("midspan.grading.predictions", "Score"): ("midspan.pictures.cards", "score_card"),
    ("midspan.conclusions.verdicts", "Ruling"): ("midspan.pictures.cards", "ruling_card"),
    ("midspan.conclusions.verdicts", "Ledger"): ("midspan.pictures.cards", "ledger_card"),
    ("midspan.conclusions.verdicts", "ClaimList"): ("midspan.pictures.cards", "claims_card"),
}
TEXTS = (  # types whose repr differs from their str
    ("midspan.experiments.bench", "Bench"),
    ("midspan.experiments.bench", "Leftovers"),
    ("midspan.experiments.page", "Page"),
    ("midspan.experiments.guarantee_matrix", "Matrix"),
    ("midspan.experiments.guarantee_matrix", "MatrixCell"),
    ("midspan.simulation.run_report", "Ladder"),
    ("midspan.simulation.shrinking", "Counterexample"),
    ("midspan.simulation.history", "History"),
    ("midspan.simulation.schedule", "Schedule"),
    ("midspan.simulation.searching", "Findings"),
)


def register(shell: Any) -> None:
    """Register the formatters with an IPython shell (what `get_ipython()` returns). Doing it twice changes nothing."""
    formatters = shell.display_formatter.formatters
    for module, name in TEXTS:
        formatters["text/plain"].for_type_by_name(module, name, _as_text)
    for (module, name), shown_by in PICTURES.items():
        formatters["text/html"].for_type_by_name(module, name, _as_html(*shown_by))
    shell.set_custom_exc((ShownAsCard,), _show_card)
    if os.environ.get(PORTABLE):
        _register_portable(shell)


def _show_card(shell: Any, kind: type, error: ShownAsCard, traceback: Any, **_: Any) -> list[str]:
    """IPython calls this for an error of a cell: display the card, then the error, whose traceback is one line."""
    display = import_module("IPython.display").display
    display(error.shown)
    shell.showtraceback((kind, error, traceback))
    return error._render_traceback_()


def _register_portable(shell: Any) -> None:
    shell.display_formatter.active_types = PORTABLE_TYPES
    formatters = shell.display_formatter.formatters
    drawings = {**PICTURES, ("midspan.pictures.svg", "Picture"): ("midspan.pictures.outputs", "drawing")}
    for (module, name), shown_by in drawings.items():
        formatters["image/png"].for_type_by_name(module, name, _as_png(*shown_by))


def _as_html(module: str, function: str) -> Callable[[Any], str | None]:
    def show(thing: Any) -> str | None:
        shown = getattr(import_module(module), function)(thing)
        html: str | None = shown if shown is None or isinstance(shown, str) else shown.html()
        return html

    return show


def _as_png(module: str, function: str) -> Callable[[Any], tuple[bytes, dict[str, int]] | None]:
    def show(thing: Any) -> tuple[bytes, dict[str, int]] | None:
        shown = getattr(import_module(module), function)(thing)
        if shown is None or isinstance(shown, str):
            return None
        drawn: tuple[bytes, dict[str, int]] = import_module("midspan.pictures.outputs").png(shown.picture())
        return drawn

    return show


def _as_text(thing: Any, printer: Any, _cycle: bool) -> None:
    printer.text(str(thing))


HOMES = {  # what notebooks use
    "ledger_picture": "costs",
    "price_bars": "costs",
    "returns_picture": "scenes",
}

__getattr__ = imported_when_used(__name__, HOMES)
