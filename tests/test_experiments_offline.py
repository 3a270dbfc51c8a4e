"""What python-socketio's clients do while they are cut off, seen on the installed version."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from midspan.errors import Refusal
from midspan.experiments.disconnection import emit_while_away
from midspan.net.servers import Authority


def test_one_client_refuses_and_the_other_waits() -> None:
    """Nothing is kept for later without the caller's knowing; and who comes back is somebody else, in no room."""
    away = asyncio.run(emit_while_away(Authority()))
    assert away.async_client == "BadNamespaceError: / is not a connected namespace."
    assert away.simple_client_waited
    assert away.arrived == ("of the simple client", "after it")
    assert not away.same_session
    assert away.rooms == ()
    assert "AsyncSimpleClient.emit: waits until it is back, then sends" in str(away)


def test_bad_input_is_refused_in_a_sentence() -> None:
    """What was expected, what came, what to do."""
    nothing: Any = None
    with pytest.raises(Refusal, match="Expected an authority, but got None"):
        asyncio.run(emit_while_away(nothing))
