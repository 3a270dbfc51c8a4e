"""What the course concludes about each claim: the test of each conclusion, and the ledger of verdicts.

1. `verdicts`: the claims, and what a conclusion is. A notebook calls `verdict(conclusion, *evidence)`.
2. `two_layers`: the conclusions of chapter 00. Each chapter has a module with its own name. Chapters 03 and 05 have a
   second one: `reconnecting` is about connections, `byte_costs` counts what `overhead` does not measure in pairs.

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
    # chapter 01
    "both_ends_send_at_once": "framing",
    "one_connection_carries_all": "framing",
    "only_frames_inside_tls": "framing",
    # chapter 02
    "each_part_has_its_place": "event_wrapping",
    "finds_handlers_by_name": "event_wrapping",
    "greets_before_events": "event_wrapping",
    "needs_no_websocket": "event_wrapping",
    "our_code_decides": "event_wrapping",
    "pings_in_text_frames": "event_wrapping",
    "refuse_each_others_events": "event_wrapping",
    "returns_the_handlers_value": "event_wrapping",
    "shares_one_connection": "event_wrapping",
    "takes_fewer_lines": "event_wrapping",
    # chapter 03
    "an_outage_is_buffered": "failure_handling",
    "an_outage_is_refused": "failure_handling",
    "both_try_again": "reconnecting",
    "defaults_restore_connections_only": "reconnecting",
    "halves_are_not_handed_over": "failure_handling",
    "only_the_framework_falls_back": "reconnecting",
    "polling_first_falls_back": "reconnecting",
    "recovery_needs_an_event": "failure_handling",
    "restoring_is_left_to_you": "failure_handling",
    "retries_reach_and_double": "failure_handling",
    "silence_is_filled_with_pings": "reconnecting",
    "speed_does_not_help": "failure_handling",
    "the_heartbeat_notices": "reconnecting",
    "the_library_detects_a_drop": "reconnecting",
    "the_longest_wait_spreads": "reconnecting",
    "the_revoked_are_served": "failure_handling",
    "what_is_not_sent_again_is_lost": "failure_handling",
    "what_is_sent_again_arrives_twice": "failure_handling",
    # chapter 04
    "a_session_lives_in_one_node": "scaling",
    "a_slow_reader_fills_memory": "scaling",
    "an_adapter_is_less_code": "scaling",
    "only_the_owner_delivers": "scaling",
    "polling_needs_stickiness": "scaling",
    "pubsub_forgets": "scaling",
    "raw_needs_its_own_bus": "scaling",
    "raw_needs_its_own_policy": "scaling",
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
