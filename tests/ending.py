"""How long a served lab may take to end, in tests: twenty times the limit stated for a server that is no node."""

from __future__ import annotations

from midspan.grading.serving import DRAIN_S, GOODBYE_S
from midspan.net.background_loop import END_S

ENDS_WITHIN_S = DRAIN_S + 20 * (GOODBYE_S + sum(END_S))
