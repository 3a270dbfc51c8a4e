"""What the course concludes about each claim: the test of each conclusion, and the ledger of verdicts.

1. `verdicts`: the claims, and what a conclusion is. A notebook calls `verdict(conclusion, *evidence)`.
2. `two_layers`: the conclusions of chapter 00. Each chapter has a module with its own name. Chapter 05 has two:
   `byte_costs` counts, `overhead` measures in pairs.

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
    # chapter 05
    "allocates_more": "overhead",
    "answers_later": "overhead",
    "carries_types": "byte_costs",
    "delivery_costs": "byte_costs",
    "frames_less": "byte_costs",
    "guarantees_take_less": "overhead",
    "has_a_lower_floor": "overhead",
    "holds_less_memory": "overhead",
    "makes_tasks": "overhead",
    "packets_take_less": "overhead",
    "saves_protocol_code": "byte_costs",
    "serves_hundreds_a_second": "overhead",
    "takes_less_cpu": "overhead",
    "takes_more_bytes": "byte_costs",
    "the_rate_decides": "overhead",
}

__getattr__ = imported_when_used(__name__, HOMES)
