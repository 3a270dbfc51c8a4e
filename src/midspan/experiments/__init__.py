"""What the chapters measure: servers in the kernel, clusters, disconnections, byte ledgers, the guarantee matrix.

In this order:

1. `bench`: opens the two servers with a tap in front of each, and reports at the end what was left open;
   `bench_clients`: the clients that chapter 02 connects to them.
2. `conversations` and `byte_ledgers`: conversations of real libraries through a tap, and what their bytes are for.
3. `disconnection`: when clients notice a cut, what they buffer, and what is lost. `failure_trials`: what chapter 03
   tries besides: a fault at every moment, an upgrade that is blocked, an echo that breaks off.
4. `on_trial` (which implementations are compared) and `guarantee_matrix` (guarantee x implementation x fault).
5. `clusters`, `cluster_clients`: several nodes in processes of their own, behind a balancer.
   `cluster_apps` (what they serve), `cluster_trials` (what chapter 04 does to them), and `slow_clients`: a client that
   reads nothing.
   `fan_outs`: what one message to all clients of a node costs, in several ways (chapter 05).
6. `page`: a page for a browser, with what the tap sees of it.
7. `chat_runs`: the chat whose link is cut, which opens the course.
8. `upgraded_streams`: frames written by hand; with them `bombs` (small messages that inflate) and `closings` (codes of
   close frames). `both_ways`: two ends that send at the same time.
9. `event_trials`, `cookies`, `tokens`: what chapter 02 does to its servers and to a browser.
"""

from midspan.errors import imported_when_used

HOMES = {  # what notebooks use
    "bomb": "bombs",
    "send_to_server": "bombs",
    "WEBSOCKET_TARGET": "bench_clients",
    "packet_client": "bench_clients",
    "raw_client": "bench_clients",
    "socketio_client": "bench_clients",
    "try_handshake": "bench_clients",
    "large_both_ways": "both_ways",
    "order_of_senders": "both_ways",
    "ByteTable": "byte_ledgers",
    "code_lines": "byte_ledgers",
    "library_lines": "byte_ledgers",
    "opening": "byte_ledgers",
    "measure_bytes": "byte_ledgers",
    "measure_all_bytes": "byte_ledgers",
    "by_hand": "cluster_apps",
    "mailbox": "cluster_apps",
    "no_adapter": "cluster_apps",
    "no_bus": "cluster_apps",
    "with_adapter": "cluster_apps",
    "away_for_four": "cluster_trials",
    "clients_served": "cluster_trials",
    "cut_off": "cluster_trials",
    "everybody_writes": "cluster_trials",
    "first_two_requests": "cluster_trials",
    "say_across": "cluster_trials",
    "run_chat": "chat_runs",
    "close_with": "closings",
    "BLOB": "conversations",
    "CHANNELS": "conversations",
    "CHAT": "conversations",
    "ENVELOPE": "conversations",
    "FRAMEWORK": "conversations",
    "INPUTS": "conversations",
    "SHORT_ACK": "conversations",
    "TYPING_START": "conversations",
    "UPGRADE": "conversations",
    "reaction": "conversations",
    "OVERTAKEN": "disconnection",
    "RECIPE": "disconnection",
    "SAME_KEY": "disconnection",
    "emit_while_away": "disconnection",
    "MISSED": "failure_trials",
    "at_every_moment": "failure_trials",
    "connect_all": "failure_trials",
    "doubled": "failure_trials",
    "handed_over": "failure_trials",
    "javascript_waits": "failure_trials",
    "noticed": "disconnection",
    "noticed_cut_s": "disconnection",
    "fan_out": "fan_outs",
    "megaphone": "fan_outs",
    "megaphone_socketio": "fan_outs",
    "named": "on_trial",
    "COOKIES_THAT_CAME": "cookies",
    "cookie_pages": "cookies",
    "around_a_cut": "event_trials",
    "say_packets": "event_trials",
    "token_in_log": "tokens",
    "broadcasts": "slow_clients",
    "emits": "slow_clients",
    "one_slow_reader": "slow_clients",
    "ticker": "slow_clients",
    "what_waits": "slow_clients",
    "upgraded_stream": "upgraded_streams",
}

__getattr__ = imported_when_used(__name__, HOMES)
