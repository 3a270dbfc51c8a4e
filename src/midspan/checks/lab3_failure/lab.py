"""The lab and its table of misconceptions: id -> the words that the learner reads."""

from __future__ import annotations

from midspan.checks import Lab

MISCONCEPTIONS = {
    "vacuous": "A run in which nothing was at risk proves nothing: the verdict is vacuous, not passed.",
    # sender
    "sender-stops": "When all is sent, the sender is not done: it waits for more, and the application may say more "
    "at any time.",
    "sender-repeats": "What was sent on this connection is not sent on it again.",
    "sender-raises": "A connection that ends is no error of the sender's: contextlib.suppress(ConnectionClosed) around "
    "the loop.",
    "sender-never-waits": "It never waits: `more` was never cleared, so that each wait() returns at once.",
    # heartbeat
    "ping-not-awaited": "Sending a ping proves nothing: on a dead link it goes into a buffer. Only its pong is a "
    "sign of life.",
    "close-waits": "close() says goodbye and waits for the answer, on a link that is dead: for close_timeout "
    "seconds more. transport.abort() lets go at once.",
    "heartbeat-late": "The bound is interval_s + timeout_s after the last sign of life: one wait for the next ping, "
    "one for its pong.",
    "heartbeat-kills-living": "A peer that answers is alive, however long the session lasts.",
    "heartbeat-raises": "When the connection ends, so does its heartbeat: without an error of its own.",
    "heartbeat-stops": "A heartbeat lasts as long as its connection: one pong says nothing of the minute after it.",
    "heartbeat-outlives": "A connection that is gone has nothing left to ask: its heartbeat ends with it.",
    # reconnect
    "no-jitter": "Clients that lost their server together and wait equally long come back together, each time.",
    "no-cap": "A wait that doubles without a cap is soon longer than the outage was.",
    "no-backoff": "A client that tries all the time keeps a server from getting up again.",
    "backoff-overflows": "A link can be down for a thousand attempts, and 2**1000 is no float.",
    "no-reconnect": "A refused attempt, a timeout, a lost connection: after each of them we wait and connect again.",
    "opening-ends-it": "A connection can break while it opens, and a proxy can answer for a server that is down: "
    "websockets then raises an InvalidHandshake, which is no OSError. The next attempt may succeed.",
    "never-gives-up": "Who may not be here is told so by the close code, and asking again does not change it.",
    "gives-up": "An outage lasts for as many attempts as it lasts: what counts them is a reason to wait, not to end.",
    "not-counted": "Who does not count waits after each attempt as after the first: client.attempt += 1.",
    "reset-by-connection": "A server can let us in and hang up before it says a word: an open connection is no "
    "welcome. The welcome sets client.attempt back, nothing else.",
    # outbox
    "outbox-unbounded": "A link can be down for a day. An outbox without a bound then takes all the memory; with "
    "one the application learns of it.",
    "outbox-in-memory": "What waits for an acknowledgement must survive a restart of its process: it belongs into "
    "the store before put returns.",
    "number-in-memory": "A number that is given twice makes two messages one. The last number must survive a "
    "restart too.",
    "outbox-out-of-order": "The outbox is a queue: what was put first is given out first.",
    "outbox-keeps": "What is acknowledged is forgotten, in the store as well: else it comes back after a restart.",
    "outbox-forgets": "Only what is acknowledged is forgotten: the numbers behind it still wait.",
    "one-is-acknowledged": "An acknowledgement is for its number and all before it: one that is lost does not matter.",
    # retry
    "sent-is-acknowledged": "Sent is not acknowledged: send() returns when the bytes are in a buffer. Until the "
    "server's ack is here, the message is ours to send again.",
    "retry-with-new-number": "The copy of a message carries the number of the first: the number is how the server "
    "knows a copy.",
    "newest-first": "What has waited longest goes first, on each connection: the numbers stand for an order.",
    # dedupe
    "no-dedupe": "Who sends again until it is acknowledged sends some twice: the receiver drops the copies.",
    "dedupe-by-maximum": "Above the largest number so far is not the next: between the two, one may be missing.",
    "dedupe-by-set": "A set of all numbers knows a copy, and not what is missing: a late message is then taken "
    "behind its successor.",
    "dedupe-in-memory": "After a restart the log is there, and the table must be too: the numbers stand beside the "
    "entries.",
    "dedupe-never-collected": "A table of all messages ever grows for ever. Since a sender's numbers come in order, "
    "the last one stands for all.",
    "base-ignored": "A server whose log is gone expects number 1 for ever, unless the client tells it where it "
    "stands: `base`.",
    # desk
    "ack-before-durable": "An acknowledgement is a promise: it is given when a crash can no longer take the message.",
    "no-lock": "Two connections of one client can be at work at once: between the question (new?) and the answer "
    "(taken) nobody else may ask.",
    "gap-taken": "A message that is not the next is not taken: the ones before it come first, else the order is lost.",
    # resume
    "epoch-ignored": "An offset is a place in one log. When the log is another one, and the epoch says so, it means "
    "nothing.",
    "offset-by-assignment": "The next offset is the last one and 1. Whoever sets it to whatever comes skips what "
    "did not come, for good.",
    "no-reset": "When the server goes on elsewhere, what the application shows is of another log: it must forget it.",
    "replay-unbounded": "A log in memory grows for ever: the last entries at hand, the others from the store.",
    "resume-from-start": "Who goes on where it stood is sent what it missed, not everything again.",
    # feed
    "subscribe-after-snapshot": "Between reading what is there and asking to be told of more, entries are added "
    "that nobody tells us.",
    "woken-too-late": "Take the event before reading: an entry that is added while we read sets that one, and the "
    "next event knows nothing of it.",
    "feed-polls": "A feed that looks again and again wakes up for nothing, and is late when there is something.",
    # greet
    "resume-unauthorised": "A right can end while the link is down: it is asked for on each connection, resumed or "
    "not.",
    "greeting-waits-for-ever": "Who connects and says nothing holds a connection for nothing.",
    # negative control
    "control-passes": "A control that passes shows that the check cannot fail, or that nothing was broken.",
    "control-breaks-nothing-else": "A control has one mistake: without faults it works.",
}

lab = Lab("lab3_failure", title="Nothing lost, nothing twice, in order", misconceptions=MISCONCEPTIONS, plays="ours")
