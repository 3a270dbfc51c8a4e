"""Which labs there are: one package each beside this module, found by name or by the start of one."""

from __future__ import annotations

import importlib
import pkgutil

from midspan.checks.steps import Lab
from midspan.refusal import Refusal

HOMES = ["midspan.checks"]  # packages that hold labs; the tests add one of their own


def modules() -> dict[str, str]:
    """Name of each lab -> the module that defines it, in the order of the names."""
    found = {}
    for home in HOMES:
        for module in pkgutil.iter_modules(importlib.import_module(home).__path__):
            if module.name.startswith("lab") and module.name[3:4].isdigit():
                found[module.name] = f"{home}.{module.name}"
    return dict(sorted(found.items()))


def find(name: str) -> Lab:
    """The lab of that name, or the one whose name begins so ("lab1")."""
    known = modules()
    matches = [known[name]] if name in known else [known[k] for k in known if k.startswith(name) and name]
    if len(matches) != 1:
        raise Refusal(f"one of the labs {', '.join(known) or '(there are none)'}", name, "Name one of them")
    return load(matches[0])


def load(module: str) -> Lab:
    """The `lab` that a module defines."""
    lab = importlib.import_module(module).lab
    assert isinstance(lab, Lab)
    return lab
