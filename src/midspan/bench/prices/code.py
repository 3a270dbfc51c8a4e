"""Code that another process makes again: a server of ours, one that stands in a notebook's cell, one of a learner's.

A function or class of a module goes by its name, and its module is imported there. One that was defined in a notebook
goes as its source text, and sees nothing of the notebook around it: what it needs it imports itself.
"""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from midspan.arguments import Fitting
from midspan.refusal import Refusal, need

Made = dict[str, Any]  # as JSON carries it to the other process


@dataclass(frozen=True)
class Code(Fitting):
    """A function or class, as another process finds it.

    Attributes:
        name: its name in the module, or in what `source` defines.
        module: where it is imported from; "" when `source` is there.
        source: the text that defines it.
        options: what it is called with, by name, beside what it is always given.
    """

    name: str
    module: str = ""
    source: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.module or 'source'}:{self.name}"

    def to_json(self) -> Made:
        """Itself, as JSON can hold it."""
        return asdict(self)


def code_of(thing: Any, options: dict[str, Any] | None = None) -> Code:
    """How another process finds a function or class.

    Args:
        thing: the function or class, or a `Code`.
        options: arguments by name, of JSON's types.

    Raises:
        Refusal: it is none, or its source cannot be read.
    """
    if isinstance(thing, Code):
        return thing if options is None else Code(thing.name, thing.module, thing.source, options)
    do = "Write `def app(tls): ...` in a cell, and pass `app`"
    named = callable(thing) and hasattr(thing, "__qualname__") and "<" not in thing.__qualname__
    if not named:
        raise Refusal("a function or a class with a name of its own", thing, do)
    name, module = thing.__qualname__, thing.__module__
    if module != "__main__" and inspect.getmodule(thing) is not None:
        return Code(name, module, options=options or {})
    try:
        source = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        raise Refusal("a function whose source can be read", thing, do) from None
    return Code(name, source=source, options=options or {})


def made(code: Made) -> Any:
    """In the other process: the function or class itself."""
    if code["source"]:
        names: dict[str, Any] = {"__name__": "measured"}
        exec(compile(code["source"], f"<{code['name']}>", "exec"), names)
        need(code["name"] in names, f"source that defines {code['name']}", code["source"], "Pass all of its source")
        return names[code["name"]]
    thing: Any = import_module(code["module"])
    for part in code["name"].split("."):
        thing = getattr(thing, part)
    return thing
