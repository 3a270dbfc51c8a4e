"""midspan: the device in the middle of a link.

What notebooks use, in one place; each name is imported from its layer when it is first used, so that `import midspan`
costs next to nothing. In IPython the import also teaches the notebook to show our records as pictures.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from midspan.shell import running_shell

if TYPE_CHECKING:
    from midspan.bench.bench import Bench as Bench
    from midspan.bench.cluster import cluster as cluster
    from midspan.bench.page import live_page as live_page
    from midspan.checks.claims import ledger as ledger
    from midspan.checks.claims import verdict as verdict
    from midspan.checks.guarantees import guarantee_matrix as guarantee_matrix
    from midspan.checks.predictions import predict as predict
    from midspan.checks.predictions import score as score
    from midspan.eyes.anatomy import anatomy as anatomy
    from midspan.eyes.cards import progress as progress
    from midspan.eyes.expected import expected as expected
    from midspan.eyes.herd import herd_picture as herd_picture
    from midspan.eyes.ladder import ladder as ladder
    from midspan.eyes.lanes import lanes as lanes
    from midspan.eyes.matrix import matrix_table as matrix_table
    from midspan.eyes.stack import stack as stack
    from midspan.eyes.tables import frame_table as frame_table
    from midspan.eyes.tables import table as table
    from midspan.records.capture import Capture as Capture
    from midspan.records.dissect import dissect as dissect
    from midspan.records.frames import Frame as Frame
    from midspan.records.frames import read_frames as read_frames
    from midspan.records.layers import layers as layers
    from midspan.records.samples import sample as sample
    from midspan.records.tls import read_tls_records as read_tls_records
    from midspan.sim.herd import herd as herd
    from midspan.wires.crowd import crowd as crowd
    from midspan.wires.servers import raw_server as raw_server

HOMES = {
    "Bench": "midspan.bench.bench",
    "cluster": "midspan.bench.cluster",
    "live_page": "midspan.bench.page",
    "ledger": "midspan.checks.claims",
    "verdict": "midspan.checks.claims",
    "guarantee_matrix": "midspan.checks.guarantees",
    "predict": "midspan.checks.predictions",
    "score": "midspan.checks.predictions",
    "anatomy": "midspan.eyes.anatomy",
    "progress": "midspan.eyes.cards",
    "expected": "midspan.eyes.expected",
    "herd_picture": "midspan.eyes.herd",
    "ladder": "midspan.eyes.ladder",
    "lanes": "midspan.eyes.lanes",
    "matrix_table": "midspan.eyes.matrix",
    "stack": "midspan.eyes.stack",
    "frame_table": "midspan.eyes.tables",
    "table": "midspan.eyes.tables",
    "Capture": "midspan.records.capture",
    "dissect": "midspan.records.dissect",
    "Frame": "midspan.records.frames",
    "read_frames": "midspan.records.frames",
    "layers": "midspan.records.layers",
    "sample": "midspan.records.samples",
    "herd": "midspan.sim.herd",
    "crowd": "midspan.wires.crowd",
    "raw_server": "midspan.wires.servers",
    "read_tls_records": "midspan.records.tls",
}

__all__ = sorted(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"midspan has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def _show_in_notebook() -> None:
    """In a notebook, register how our records are shown; anywhere else do nothing."""
    shell = running_shell()
    if shell is not None:
        import_module("midspan.eyes.display").register(shell)


_show_in_notebook()
