"""Implementations under test: a server and its clients, each as short as typical application code.

All of them follow one protocol (`midspan.simulation.implementation`): each message of a client goes into the server's
log and to every client. `midspan.experiments.guarantee_matrix` measures which guarantees hold when the link fails. Read
in this order:

1. `in_python`: raw WSS without reconnection, and as the documentation of `websockets` shows it; python-socketio with
   its defaults, and with the "exactly once" recipe of the tutorial.
2. `in_memory_adapter`: lets the unmodified python-socketio run in virtual time.
3. `javascript_clients`: the JavaScript Socket.IO in a Node process, on a real link.
"""
