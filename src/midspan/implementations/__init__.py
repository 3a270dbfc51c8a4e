"""Implementations under test: clients and a server, each as short as the code that people write.

All of them follow one protocol (`midspan.simulation.implementation`): what a client says goes into the server's log and
to every client. `midspan.experiments.guarantee_matrix` measures what happens to it when the link fails. In this order:

1. `raw`: raw WSS, first without a plan for a broken link, then as the documentation of `websockets` shows it.
2. `python_socketio`: the library as it comes, and with the tutorial's "exactly once" recipe.
3. `in_memory_adapter`: lets the unmodified python-socketio run in virtual time.
4. `javascript_clients`: the JavaScript Socket.IO in a Node process, on a real link.
"""
