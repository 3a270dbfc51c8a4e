"""The simulated processes of one run: start them, kill them with all their tasks, and start them again."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from midspan.simulation.forbidden_io import crash_in_words
from midspan.simulation.history import App, Recorder
from midspan.simulation.implementation import (
    Client,
    ClientContext,
    Disk,
    Implementation,
    Server,
    ServerContext,
    Store,
    sizes_of,
)
from midspan.simulation.link import Network
from midspan.simulation.loop import PROCESS, RunLoop
from midspan.simulation.schedule import Say, Schedule


class Process:
    """The tasks of one client or server. A fault kills all of them at once.

    A task belongs to the process whose code created it. asyncio gives the new task the context of its creator, and
    the context holds the process's list of tasks.
    """

    def __init__(self, loop: RunLoop) -> None:
        self.loop = loop
        self.tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self.tasks)

    def spawn(self, body: Coroutine[Any, Any, None]) -> None:
        """Start a task in this process."""
        self.loop.create_task(body, context=self._context)

    def kill(self) -> None:
        """Cancel all its tasks.

        Their `finally` blocks run; in a real crash they would not. So the caller first closes the store and the
        connections that these blocks could use.
        """
        for task in self.tasks:
            task.cancel()
        self.forget()

    def forget(self) -> None:
        """Remove the references to its tasks: their context holds the list, and the list holds them."""
        self.tasks.clear()


class ScheduledClient:
    """One client over the whole run: its disk, which survives a restart, and its current process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disk = Disk()
        self.waiting_says: list[
            Say
        ] = []  # messages of the schedule while no process ran; sent when the next one starts
        self.client: Client | None = None
        self.process: Process
        self.app: App
        self.store: Store


class Processes:
    """The server and the clients of one run.

    Args:
        loop, implementation, schedule, recorder, network: of the run.
    """

    harmless: tuple[type[Exception], ...] = (ConnectionClosed,)  # these errors of a task are no bug: its link was cut

    def __init__(
        self, loop: RunLoop, implementation: Implementation, schedule: Schedule, recorder: Recorder, network: Network
    ) -> None:
        self.loop, self.implementation, self.recorder, self.network = loop, implementation, recorder, network
        self.write_s = schedule.write_s
        self.rng = random.Random(schedule.seed)  # one for all clients and the server
        self.actors = {who: ScheduledClient(who) for who in schedule.clients}
        self.disk = Disk()
        self.server: Server | None = None
        self.says_left = len(schedule.says)
        self.revoked: set[str] = set()
        self.peaks: dict[tuple[str, str], int] = {}
        self._processes: list[Process] = []  # of the whole run
        recorder.on_durable = self._sample_server

    def _process(self) -> Process:
        self._processes.append(Process(self.loop))
        return self._processes[-1]

    # the server

    def start_server(self) -> None:
        self.server_process = self._process()
        self.server_store = Store(self.disk, self.write_s, self.recorder)
        context = ServerContext(
            self.server_store, self._authorise, self.rng, self.loop.time, self.implementation.bounds
        )
        self.network.spawn = self.server_process.spawn
        self.server_process.spawn(self._serve(context))

    async def _serve(self, context: ServerContext) -> None:
        try:
            server = self.server = self.implementation.server(context)
            start = getattr(server, "start", None)
            if start is not None:
                await start()
            await self.network.run(server)
        except Exception as error:
            self._crashed("server", error)

    def kill_server(self, keeps_log: bool) -> None:
        """Close its store first, then its connections, then its tasks: so a `finally` block has no effect."""
        self.server_store.kill()
        self.network.kill_server()
        self.server_process.kill()
        if not keeps_log:
            self.disk.wipe()
            self.recorder.wiped()

    def restart_server(self) -> None:
        self.recorder.note("server", "restarted")
        self.start_server()

    def _authorise(self, who: str, token: str) -> bool:
        return token == f"token of {who}" and who not in self.revoked

    # the clients

    def start_client(self, actor: ScheduledClient) -> None:
        name = actor.name
        actor.process, actor.app = self._process(), self.recorder.app(name)
        actor.store = Store(actor.disk, self.write_s)
        link = self.network.link(name)
        context = self.make_client_context(
            me=name,
            token=f"token of {name}",
            connect=link.connect,
            store=actor.store,
            app=actor.app,
            rng=self.rng,
            now=self.loop.time,
            bounds=self.implementation.bounds,
            url=link.url,
            trust=self.network.trust,
        )
        actor.process.spawn(self._run_client(actor, context))

    def make_client_context(self, **given: Any) -> ClientContext:
        """The context of a client."""
        return ClientContext(**given)

    async def _run_client(self, actor: ScheduledClient, context: ClientContext) -> None:
        try:
            actor.client = self.implementation.client(context)
            says, actor.waiting_says = actor.waiting_says, []
            for say in says:
                self.say(say)
            await actor.client.run()
        except ConnectionClosed as error:  # the client does not reconnect
            self.recorder.note(actor.name, "gave up", detail=str(error))
        except Exception as error:
            self._crashed(actor.name, error)

    def kill_client(self, actor: ScheduledClient) -> None:
        """Close its application and store first, then its connections, then its tasks."""
        actor.client, actor.app.gone = None, True
        actor.store.kill()
        self.network.link(actor.name).cut_all()
        actor.process.kill()

    def restart_client(self, actor: ScheduledClient) -> None:
        self.recorder.note(actor.name, "restarted")
        self.start_client(actor)

    def say(self, say: Say) -> None:
        """Give a message of the schedule to its client, or keep it until the client has a process."""
        actor = self.actors[say.who]
        if actor.client is None:
            actor.waiting_says.append(say)
            return
        self.says_left -= 1
        self.recorder.sent(say.who, say.body)
        try:
            actor.client.send(say.body)
        except Exception as error:
            self.recorder.declined(say.who, say.body, type(error).__name__)
        self._sample(say.who, actor.client)

    # notes for the history

    def _crashed(self, who: str, error: Exception) -> None:
        self.recorder.note(who, "crashed", detail=crash_in_words(error))

    def _sample_server(self) -> None:
        self.loop.call_soon(self._sample, "server", self.server)  # after the server has used the new entry

    def _sample(self, who: str, party: object) -> None:
        for name, size in sizes_of(party).items():
            if size > self.peaks.get((who, name), -1):
                self.peaks[who, name] = size

    def record_the_end(self) -> None:
        """Note the largest size of each buffer and table, and the errors that no task has retrieved."""
        for task in self.loop.tasks:
            if task.done() and not task.cancelled() and getattr(task, "_log_traceback", False):
                error = task.exception()
                if error is not None and not isinstance(error, self.harmless):
                    self.recorder.note("a task", "crashed", detail=crash_in_words(error))
        for (who, name), size in self.peaks.items():
            self.recorder.note(who, "size", detail=name, value=size)
        self.recorder.note("run", "ended")

    def drop_references(self) -> None:
        """The run has ended: remove the references to its tasks."""
        self.server = None
        for process in self._processes:
            process.forget()
        self.actors.clear()
