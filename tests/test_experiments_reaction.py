"""What a server does with input that it should not get: seen without waiting for a time to pass."""

from __future__ import annotations

import asyncio
import json

import pytest
import socketio
from websockets.asyncio.server import ServerConnection

from midspan.errors import Refusal
from midspan.experiments.bench import Bench
from midspan.experiments.conversations import ENVELOPE, FRAMEWORK, INPUTS, QuestionAndAnswer, reaction
from tests.loops import in_a_loop

QUESTION = QuestionAndAnswer("", (), question="are you there?", answer="yes")


async def moody(connection: ServerConnection) -> None:
    """Answers the question; each other message is an order."""
    awake = True
    async for message in connection:
        if message == QUESTION.question and awake:
            await connection.send("yes")
        elif message == "sleep":
            awake = False
        elif message == "nap":
            await anext(aiter(connection))  # as a server does that waits for an attachment
        elif message == "shout":
            await connection.send("AH")
            await connection.send(b"\x01")
        elif message == "raise":
            raise ValueError("as told")
        elif message == "drop":
            connection.transport.abort()


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("nothing", "skips it"),
        ("shout", r"says 'AH', then says b'\x01'"),
        ("sleep", "answers no more"),
        ("nap", "skips one more"),
        ("raise", "closes, 1011"),
        ("drop", "closes, 1006"),
    ],
)
@in_a_loop
async def test_each_kind_of_reaction_is_told_from_the_others(order: str, said: str) -> None:
    async with Bench(raw=moody) as bench:
        assert str(await reaction(bench.raw, bench.trust, QUESTION, order)) == said


@in_a_loop
async def test_a_server_that_hangs_up_while_we_send_is_no_error() -> None:
    async with Bench(raw=moody) as bench:
        seen = await reaction(bench.raw, bench.trust, QUESTION, "drop", *["more" * 10_000] * 50)
    assert seen.close_code == 1006


@in_a_loop
async def test_a_question_that_is_not_answered_even_before_is_refused() -> None:
    async with Bench(raw=moody) as bench:
        with pytest.raises(Refusal, match="a question that this server answers"):
            await reaction(bench.raw, bench.trust, QuestionAndAnswer("", (), question="who?", answer="me"), "nothing")


@in_a_loop
async def test_a_server_that_does_not_even_pong_is_given_up() -> None:
    async def deaf(connection: ServerConnection) -> None:
        await connection.send("yes")
        connection.transport.pause_reading()
        asyncio.get_running_loop().call_later(2.0, connection.transport.abort)  # long after the limit
        await connection.wait_closed()

    async with Bench(raw=deaf) as bench:
        with pytest.raises(TimeoutError):
            await reaction(bench.raw, bench.trust, QUESTION, "nothing", limit_s=0.1)


@in_a_loop
async def test_arguments_that_do_not_fit_are_refused() -> None:
    async with Bench(raw=moody) as bench:
        with pytest.raises(Refusal, match="dialect"):
            await reaction(bench.raw, bench.trust, "hello")  # type: ignore[arg-type]  # what a learner may pass


async def envelope(connection: ServerConnection) -> None:
    async for message in connection:
        name, data, *id = json.loads(message)
        if name == "typing_start" and id:
            await connection.send(json.dumps(["ack", data, *id]))


def events(sio: socketio.AsyncServer) -> None:
    async def typing_start(_sid: str, data: object) -> object:
        return data

    sio.on("typing_start", typing_start)


@in_a_loop
async def test_both_sides_are_asked_each_hostile_input() -> None:
    """Every input reaches its server: both dialects are understood before, and no reaction is a mistake of ours."""
    async with Bench(raw=envelope, socketio=events) as bench:
        fates = {
            one.what: (
                str(await reaction(bench.socketio, bench.trust, FRAMEWORK, *one.framework)),
                str(await reaction(bench.raw, bench.trust, ENVELOPE, *one.envelope)),
            )
            for one in INPUTS
        }
    assert fates["no array"] == ("skips it", "closes, 1011")
    assert fates["two attachments, one comes"][0] == "skips one more"
