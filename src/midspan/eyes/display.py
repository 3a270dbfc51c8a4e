"""Teaches IPython to show our records: the layers below never import HTML, and a notebook still shows pictures.

Formatters are registered by the *name* of a type, so that registering imports nothing; the picture's module is imported
when the first object of its kind is shown. Each type keeps its text twin: `text/plain` is `str()`.

A running notebook shows HTML, which takes the colours of JupyterLab's theme. What is stored in a notebook that others
open must not be HTML: who does not trust the file sees what is left of it without its tags. Where MIDSPAN_PORTABLE is
set, as `python -m midspan store` does, pictures are PNG, and all else is text.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

PORTABLE = "MIDSPAN_PORTABLE"  # in the environment: outputs that every viewer shows, whether or not it trusts them
PORTABLE_TYPES = ["text/plain", "image/png"]

# (module and name of the type) -> (module and function that shows it)
PICTURES: dict[tuple[str, str], tuple[str, str]] = {
    ("midspan.records.exchange", "Exchange"): ("midspan.eyes.shown", "exchange"),
    ("midspan.records.exchange", "Sighting"): ("midspan.eyes.shown", "sighting"),
    ("midspan.records.frames", "Frame"): ("midspan.eyes.anatomy", "anatomy"),
    ("midspan.records.layers", "Stack"): ("midspan.eyes.shown", "stack"),
    ("midspan.records.http", "HttpHead"): ("midspan.eyes.shown", "head"),
    ("midspan.bench.bench", "Bench"): ("midspan.eyes.parties", "parties"),
    ("midspan.bench.page", "Page"): ("midspan.eyes.browser", "browser"),
    ("midspan.bench.matrix", "Matrix"): ("midspan.eyes.matrix", "matrix_picture"),
    ("midspan.sim.ladder", "Ladder"): ("midspan.eyes.shown", "run"),
    ("midspan.sim.played", "Played"): ("midspan.eyes.shown", "played"),
    ("midspan.sim.counterexample", "Counterexample"): ("midspan.eyes.shown", "counterexample"),
    ("midspan.checks.verdicts", "Result"): ("midspan.eyes.cards", "result_card"),
    ("midspan.checks.steps", "Hint"): ("midspan.eyes.cards", "hint_card"),
    ("midspan.checks.predictions", "Guess"): ("midspan.eyes.cards", "guess_card"),
    ("midspan.checks.predictions", "Score"): ("midspan.eyes.cards", "score_card"),
}
TEXTS = (  # whose repr is not their str
    ("midspan.bench.bench", "Bench"),
    ("midspan.bench.leftovers", "Leftovers"),
    ("midspan.bench.page", "Page"),
    ("midspan.bench.matrix", "Matrix"),
    ("midspan.bench.matrix", "Cell"),
    ("midspan.sim.ladder", "Ladder"),
    ("midspan.sim.counterexample", "Counterexample"),
    ("midspan.sim.history", "History"),
    ("midspan.sim.schedule", "Schedule"),
    ("midspan.sim.search", "Findings"),
)


def register(shell: Any) -> None:
    """Register the formatters with an IPython shell (what `get_ipython()` returns). Doing it twice changes nothing."""
    formatters = shell.display_formatter.formatters
    for module, name in TEXTS:
        formatters["text/plain"].for_type_by_name(module, name, _as_text)
    for (module, name), shown_by in PICTURES.items():
        formatters["text/html"].for_type_by_name(module, name, _as_html(*shown_by))
    if os.environ.get(PORTABLE):
        _register_portable(shell)


def _register_portable(shell: Any) -> None:
    shell.display_formatter.active_types = PORTABLE_TYPES
    formatters = shell.display_formatter.formatters
    drawings = {**PICTURES, ("midspan.eyes.svg", "Picture"): ("midspan.eyes.shown", "drawing")}
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
        drawn: tuple[bytes, dict[str, int]] = import_module("midspan.eyes.png").png(shown.picture())
        return drawn

    return show


def _as_text(thing: Any, printer: Any, _cycle: bool) -> None:
    printer.text(str(thing))
