"""The labs: each is a package, with a module for each group of steps and the checks that judge them.

A step is a function that `@lab.step` registers: it calls the learner's answer and writes a transcript
(`midspan.grading`). Its decorator has the three hints, and the words for each misconception that it recognises. The
wrong answers that it must recognise are in tests/bank/. What a learner replaces part by part is in a lab's `drafts.py`
and `ends.py`, which `first_draft` defines in the notebook. In the order of the course:

1. `lab1_framing` (begin with its `frames`): RFC 6455 from the accept key to sockets.
2. `lab2_events`: events, acknowledgements and namespaces, up to a Socket.IO server.
3. `lab3_failure`: a session that survives a broken link.
4. `lab4_scaling`: three nodes and a broker. `lab5_overhead`: the session of lab 3, in fewer bytes.
"""
