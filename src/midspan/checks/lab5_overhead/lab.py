"""The lab and its table of misconceptions: id -> the words that the learner reads."""

from __future__ import annotations

from midspan.checks import Lab

MISCONCEPTIONS = {
    "vacuous": "A run in which nothing was at risk proves nothing: the verdict is vacuous, not passed.",
    # head
    "head-too-narrow": "A number that grows for as long as a session lasts outgrows two bytes, then four.",
    "head-little-endian": "The most significant byte comes first, as everywhere in a protocol of the network.",
    "head-not-shortest": "The shortest form that holds a number: up to 23 in the head, then 1, 2, 4 or 8 bytes.",
    "head-reads-on": "What is not all there is not there: a slice beyond the end is shorter than asked, and no error.",
    # wire
    "text-frames": "Packets are bytes. As text they would have to be UTF-8, and most bytes above 127 are not.",
    "one-packet": "Several packets stand in one message, one after the other: read on until its end.",
    # shapes
    "shapes-kept": "A shape is known to the end that heard it, on this connection: the next one begins with none.",
    "shapes-unbounded": "Whoever teaches us shapes for ever fills our memory: the table has a bound at both ends.",
    "shape-unknown": "A number that nobody has taught is no shape: ValueError, and no shape of somebody else.",
    "not-as-it-was": "A body is opaque: what comes out is what went in, to the last character.",
    # deflate
    "deflate-always": "Deflate makes a short text longer: send what is smaller.",
    "deflate-never": "A long text that repeats itself shrinks to a part of its size.",
    "inflate-unbounded": "A kilobyte of a stranger's can become a megabyte of ours: inflate with a limit.",
    "inflate-raises": "Bytes that are not deflated are a stranger's mistake, not ours: ValueError.",
    "characters-for-bytes": "A size counts bytes. A text has fewer characters than bytes as soon as it leaves ASCII.",
    # sender
    "numbers-not-resynchronised": "The other end counts from 0 on a new connection: where the next number is another "
    "one, it must be told.",
    "numbers-in-full": "Both ends can count: a number goes out only where it is not the next.",
    "batch-reorders": "A batch is sent in the order in which its messages were said: their numbers follow from it.",
    "batch-waits": "A batch gathers what is there. Who waits for more delays the first message; at a low rate, each.",
    "batch-unbounded": "What waits after a long outage does not fit into one frame: BATCH at most, then the next.",
    "no-batch": "What waits together goes in one frame.",
    "ask-kept": "Somebody waits once: an ask that is never cleared asks for each acknowledgement from then on.",
    "ask-forgotten": "Somebody waits for this acknowledgement: `asks` is set, so an ask goes with the frame.",
    # runs
    "own-in-full": "Its sender has the body: it needs to know where it stands, not what it says.",
    "acknowledged-by-welcome": "What the welcome acknowledged is not in the outbox any more: such an entry is sent in "
    "full.",
    "run-overtakes": "The log has one order: a count stands where its entries stand, between those of others.",
    # acks
    "acks-never-flushed": "An acknowledgement may wait for company, and when none comes it goes alone.",
    "timer-restarted": "A timer that each event starts again never runs down while there are events.",
    "ack-each": "An acknowledgement that waits for nobody costs a frame, and a segment around it, for each event.",
    "others-wait": "An entry of somebody else is no acknowledgement but the message itself: it does not wait.",
    "outbox-fills-up": "Who waits half a second at any rate lets the outbox on the other side fill up: at `most` owed "
    "it is time.",
    "ack-before-durable": "An acknowledgement is a promise: nothing is counted as safe before it is in the log.",
    # path
    "no-bound": "broadcast() writes whatever waits already: for somebody who reads nothing, until the memory is full.",
    "gives-up-when-full": "A full buffer is a reason to wait, not to leave entries out.",
    "store-skipped": "What is not at hand is in the store: a task reads it, in its order.",
    "always-a-task": "A task and a turn of the loop cost as much as the frame itself: write at once if there is room.",
    "only-a-count": "A count says that all of it is the receiver's own: it stands for no entry of somebody else.",
    # direct
    "direct-never": "Whatever is left to the task costs a future, a callback and a turn of the loop: handle it where "
    "it is read.",
    "direct-loses": "True means that it is handled: nobody looks at this message again.",
    "direct-numbers": "A number that is said holds here too: after a reconnect a first message is seldom number 1.",
    "direct-twice": "A link that was cut sends copies. Here no desk looks: ask the inbox, and tell it what was taken.",
    "direct-gap": "A message before this one is missing: to take this one all the same is to lose that one for good.",
    "direct-ask": "Somebody waits: flush the feed where you hear it, and the answer leaves with this very call.",
    "direct-swallows": "What cannot be read ends the connection. Let the error out: the task in recv gets it.",
    "direct-not-durable": "What the store has not written yet is not safe. If it takes time, leave the message alone.",
    "direct-reads-first": "A wire learns as it reads. What is left to the task must be as it was: ask before you read.",
    # cheaper
    "cheaper-passes": "A control that passes shows that the check cannot fail, or that nothing was broken.",
    "cheaper-breaks-nothing-else": "A control has one mistake: without faults it works.",
    "cheaper-is-dearer": "It was to save something: on a good day it costs more than ours.",
}

STORES = (0.0, 0.0, 0.005, 0.03)  # s that an append takes: some write at once

lab = Lab(
    "lab5_overhead",
    title="The guarantees, cheaper",
    misconceptions=MISCONCEPTIONS,
    serves="serve_session",
    plays="ours",
    stores=STORES,
)
