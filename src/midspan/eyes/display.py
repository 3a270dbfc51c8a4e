"""Teaches IPython to show our records: the layers below never import HTML, and a notebook still shows pictures.

Formatters are registered by the *name* of a type, so that registering imports nothing; the picture's module is imported
when the first object of its kind is shown. Each type keeps its text twin: `text/plain` is `str()`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

# (module and name of the type) -> (module and function that shows it)
PICTURES: dict[tuple[str, str], tuple[str, str]] = {
    ("midspan.records.exchange", "Exchange"): ("midspan.eyes.shown", "exchange"),
    ("midspan.records.exchange", "Sighting"): ("midspan.eyes.shown", "sighting"),
    ("midspan.records.frames", "Frame"): ("midspan.eyes.shown", "frame"),
    ("midspan.records.layers", "Stack"): ("midspan.eyes.shown", "stack"),
    ("midspan.records.http", "HttpHead"): ("midspan.eyes.shown", "head"),
    ("midspan.bench.bench", "Bench"): ("midspan.eyes.shown", "bench"),
    ("midspan.bench.page", "Page"): ("midspan.eyes.browser", "browser"),
    ("midspan.bench.matrix", "Matrix"): ("midspan.eyes.shown", "matrix"),
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
    html = shell.display_formatter.formatters["text/html"]
    for (module, name), shown_by in PICTURES.items():
        html.for_type_by_name(module, name, _later(*shown_by))
    plain = shell.display_formatter.formatters["text/plain"]
    for module, name in TEXTS:
        plain.for_type_by_name(module, name, _as_text)


def _later(module: str, function: str) -> Callable[[Any], str | None]:
    def show(thing: Any) -> str | None:
        shown: str | None = getattr(import_module(module), function)(thing)
        return shown

    return show


def _as_text(thing: Any, printer: Any, _cycle: bool) -> None:
    printer.text(str(thing))
