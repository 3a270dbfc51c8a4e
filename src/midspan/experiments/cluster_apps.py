"""What nodes serve in chapters 04 and 05: a mailbox, servers of one node, and two ways to reach other nodes' clients.

A cluster sends the source of such a function to its nodes (`Cluster.serve`), so each imports what it needs. The
chapters show the same source to the reader.
"""

from __future__ import annotations

from typing import Any


def mailbox(node: Any) -> Any:
    """Each person sends a name first; then "ben: hello" sends hello to Ben."""
    here = {}

    async def handler(connection: Any) -> None:
        here[await connection.recv()] = connection
        await connection.send("welcome")
        async for message in connection:
            name, _, words = message.partition(": ")
            if name in here:
                await here[name].send(words)
            else:
                await connection.send("nobody of that name")

    return node.raw(handler)


def no_adapter(node: Any) -> Any:
    """Socket.IO: what one client says, all clients of this node hear."""

    def register(sio: Any) -> None:
        async def say(_sid: str, words: Any) -> None:
            await sio.emit("said", words)

        sio.on("say", say)

    return node.socketio(register)


def no_bus(node: Any) -> Any:
    """The same on raw WSS: broadcast what comes in."""
    from websockets.asyncio.server import broadcast

    async def handler(connection: Any) -> None:
        async for message in connection:
            broadcast(node.connections, message)

    return node.raw(handler, compression=None)


def with_adapter(node: Any) -> Any:
    """Socket.IO: what one client says, all clients of all nodes hear."""
    import socketio

    def register(sio: Any) -> None:
        async def say(_sid: str, words: Any) -> None:
            await sio.emit("said", words)

        sio.on("say", say)

    adapter = socketio.AsyncRedisManager(node.broker, channel=node.prefix + "adapter")
    return node.socketio(register, client_manager=adapter)


def by_hand(node: Any) -> Any:
    """The same on raw WSS: publish what comes in, broadcast what the channel says."""
    import asyncio

    import redis.asyncio
    from websockets.asyncio.server import broadcast

    bus, channel = redis.asyncio.Redis.from_url(node.broker), node.prefix + "by hand"

    async def listen() -> None:
        while True:
            try:
                async with bus.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(channel)
                    async for message in heard.listen():
                        broadcast(node.connections, message["data"].decode())
            except redis.ConnectionError:
                await asyncio.sleep(0.05)

    async def handler(connection: Any) -> None:
        async for message in connection:
            await bus.publish(channel, message)

    node.run(listen())
    return node.raw(handler, compression=None)
