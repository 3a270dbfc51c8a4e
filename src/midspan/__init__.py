"""midspan: the device in the middle of a link.

What notebooks use, in one place. Each name is imported from its module when it is first used, so that `import midspan`
is fast. In IPython the import also registers the functions that show our records as pictures.

The folders, from the bottom up: `protocols` (bytes to records), `net` (sockets and processes), `simulation` (runs in
virtual time), `implementations` (what is under test), `benchmark` and `experiments` (what is measured), `conclusions`
(what it shows), `grading` and `labs` (checks of a learner's answers), `pictures` (what a notebook shows). `errors` lies
below all of them; `study` and `__main__` above. docs/ARCHITECTURE.md has the map, and follows two calls from a cell to
their result.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from midspan.errors import imported_when_used, running_shell

if TYPE_CHECKING:
    from midspan.conclusions.verdicts import claims as claims
    from midspan.conclusions.verdicts import ledger as ledger
    from midspan.conclusions.verdicts import verdict as verdict
    from midspan.experiments.bench import Bench as Bench
    from midspan.experiments.clusters import cluster as cluster
    from midspan.experiments.page import live_page as live_page
    from midspan.grading.predictions import predict as predict
    from midspan.grading.predictions import score as score
    from midspan.grading.stopwatch import minutes as minutes
    from midspan.labs.lab3_failure.session import guarantee_matrix as guarantee_matrix
    from midspan.net.receivers import open_receivers as open_receivers
    from midspan.net.servers import raw_server as raw_server
    from midspan.pictures.cards import expected as expected
    from midspan.pictures.cards import progress as progress
    from midspan.pictures.frames import anatomy as anatomy
    from midspan.pictures.frames import stack as stack
    from midspan.pictures.ladders import ladder as ladder
    from midspan.pictures.runs import run_ladder as run_ladder
    from midspan.pictures.scenes import herd_picture as herd_picture
    from midspan.pictures.tables import frame_table as frame_table
    from midspan.pictures.tables import matrix_table as matrix_table
    from midspan.pictures.tables import table as table
    from midspan.protocols.capture import Capture as Capture
    from midspan.protocols.capture import read_tls_records as read_tls_records
    from midspan.protocols.dissecting import dissect as dissect
    from midspan.protocols.dissecting import sample as sample
    from midspan.protocols.layering import layers as layers
    from midspan.protocols.websocket import Frame as Frame
    from midspan.protocols.websocket import read_frames as read_frames
    from midspan.simulation.reconnect_herd import herd as herd

HOMES = {
    "Bench": "experiments.bench",
    "cluster": "experiments.clusters",
    "live_page": "experiments.page",
    "claims": "conclusions.verdicts",
    "ledger": "conclusions.verdicts",
    "minutes": "grading.stopwatch",
    "verdict": "conclusions.verdicts",
    "guarantee_matrix": "labs.lab3_failure.session",
    "predict": "grading.predictions",
    "score": "grading.predictions",
    "anatomy": "pictures.frames",
    "progress": "pictures.cards",
    "expected": "pictures.cards",
    "herd_picture": "pictures.scenes",
    "ladder": "pictures.ladders",
    "run_ladder": "pictures.runs",
    "matrix_table": "pictures.tables",
    "stack": "pictures.frames",
    "frame_table": "pictures.tables",
    "table": "pictures.tables",
    "Capture": "protocols.capture",
    "dissect": "protocols.dissecting",
    "Frame": "protocols.websocket",
    "read_frames": "protocols.websocket",
    "layers": "protocols.layering",
    "sample": "protocols.dissecting",
    "herd": "simulation.reconnect_herd",
    "open_receivers": "net.receivers",
    "raw_server": "net.servers",
    "read_tls_records": "protocols.capture",
}

__all__ = sorted(HOMES)


__getattr__ = imported_when_used(__name__, HOMES)


def __dir__() -> list[str]:
    return __all__


def _show_in_notebook() -> None:
    """In IPython, register the functions that show our records; elsewhere do nothing."""
    shell = running_shell()
    if shell is not None:
        import_module("midspan.pictures").register(shell)


_show_in_notebook()
