"""What the course concludes about each claim: the test of each conclusion, and the ledger of verdicts.

1. `verdicts`: the claims, and what a conclusion is. A notebook calls `verdict(conclusion, *evidence)`.
2. `two_layers`: the conclusions of chapter 00. Each chapter has a module with its own name.

A conclusion's test runs twice: on the evidence of a notebook, where it must hold, and on that of a control, where it
must not. The controls are in the tests (`tests/test_conclusions_*.py`).
"""

from midspan.errors import imported_when_used

HOMES = {  # what notebooks use
    "Conclusion": "verdicts",
    "Seen": "verdicts",
    # chapter 00
    "a_wrong_pairing_fails": "two_layers",
    "events_are_payload": "two_layers",
    "reconnects": "two_layers",
    "nothing_but_messages": "two_layers",
    # chapter 04
    "a_session_lives_in_one_node": "scaling",
    "a_slow_reader_fills_memory": "scaling",
    "an_adapter_is_less_code": "scaling",
    "only_the_owner_delivers": "scaling",
    "polling_needs_stickiness": "scaling",
    "pubsub_forgets": "scaling",
    "raw_needs_its_own_bus": "scaling",
    "raw_needs_its_own_policy": "scaling",
}

__getattr__ = imported_when_used(__name__, HOMES)
