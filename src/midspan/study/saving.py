"""An extension of the Jupyter server: a notebook of the course that is saved as it was opened is the same file again.

JupyterLab marks a notebook as changed as soon as its kernel says which Python it is, and saves it within two minutes.
The course's notebooks are stored without what differs from machine to machine (`checks/store.py`), so `git status`
would list each chapter that was only read. jupyter/jupyter_server_config.d/midspan.json switches this extension on.
"""

from __future__ import annotations

from typing import Any

from midspan.checks.notebooks import leave_out_what_differs


def leave_out(model: dict[str, Any], **_: Any) -> None:
    """A pre-save hook: take the Python's version and the times of execution out of a notebook of the course."""
    if model.get("type") != "notebook" or "midspan" not in model["content"]["metadata"]:
        return
    leave_out_what_differs(model["content"])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.contents_manager.register_pre_save_hook(leave_out)
