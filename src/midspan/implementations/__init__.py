"""Implementations under test, each as short and as honest as the code that people write, all behind one protocol.

What a client says goes into the server's log and to every client. What happens to it when the link fails is what
`midspan.experiments.guarantee_matrix` measures. Read `raw` first: it has no plan for a broken link. Then
`python_socketio` with `in_memory_adapter`, which lets the unmodified library run in a simulation, and
`javascript_clients`,
which speaks to a Node process.
"""
