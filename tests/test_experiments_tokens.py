"""A token in the address of a WebSocket stands in the server's access log; in a header or a message it does not."""

from __future__ import annotations

from midspan.experiments.tokens import TOKEN, access_log, token_in_log
from tests.loops import in_a_loop


@in_a_loop
async def test_only_the_address_is_logged() -> None:
    assert await token_in_log() == {
        "in the address": True,
        "in a cookie": False,
        "as a subprotocol": False,
        "in the first message": False,
    }


@in_a_loop
async def test_each_connection_has_one_line_in_the_log() -> None:
    """So a token that is not in it was left out, and not the line."""
    (line,) = await access_log(says=TOKEN)
    assert '"GET / HTTP/1.1" 101' in line
