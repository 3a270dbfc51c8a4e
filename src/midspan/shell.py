"""The IPython that we run in, where there is one. It is looked up and never imported: elsewhere it costs nothing."""

from __future__ import annotations

import sys
from typing import Any


def running_shell() -> Any:
    """The shell whose cells run in this process; None in a plain program."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
