"""The lab and its table of misconceptions: id -> the words that the learner reads."""

from __future__ import annotations

from midspan.checks import Lab

MISCONCEPTIONS = {
    "vacuous": "A run in which nothing was at risk proves nothing: the verdict is vacuous, not passed.",
    # rooms
    "left-in-rooms": "A connection that ends takes its member out of all its rooms: the way back, from the member to "
    "its rooms, says which.",
    "empty-room-kept": "A room that nobody is in any more is deleted: else a server knows every room that ever was.",
    "joined-twice": "Who joins twice is in the room once, and hears everything once.",
    "first-not-told": "The first in a room and the last one out begin and end what this node hears of it.",
    # broadcast
    "encode-each": "The frame is the same for everybody: encode it once, before the loop.",
    "waits-for-each": "Who waits for one member makes all the others wait for it: hand the frame over and go on.",
    "changes-while-told": "A member can be let go of while the others are told: go over a copy of the room.",
    # pubsub
    "one-node": "What is said on one node reaches the others through the broker alone: publish it there.",
    "subscribes-late": "What is published before the subscription stands is not heard: subscribe, and wait for the "
    "broker's word, before anyone is told that they are in.",
    "never-unsubscribes": "With the last member the node leaves the channel: else it hears, for ever, of rooms that "
    "nobody here is in.",
    "stops-with-the-link": "A link to the broker breaks, and comes back: who listened goes on listening.",
    # streams
    "lost-while-away": "Pub/sub reaches who listens at that moment. What is said while a link is down is in the log: "
    "read on from where you stand.",
    "dedupe-in-the-node": "The copy comes to another node than the first: what was taken is known to all nodes, or to "
    "none. Its number stands in the broker.",
    "not-atomic": "Between asking the broker and telling it, another node asks too. Question, decision and append are "
    "one script.",
    "gap-taken": "A message that is not the sender's next is not taken: the ones before it come first.",
    "ids-with-holes": "Entry 1, 2, 3, ... have the ids 1-0, 2-0, 3-0: then a cursor sees that none is missing.",
    "epoch-ignored": "An offset is a place in one log. When the log is another one, and the epoch says so, it means "
    "nothing.",
    "epoch-forgotten": "A broker can come back empty. Whoever follows a log asks on each new link whether it still is "
    "that one; else it waits for an offset that does not come.",
    "follows-from-now": "`$` is the end of the stream at this moment. Follow from where you stand: what was added "
    "meanwhile comes too.",
    "starts-over": "After a new link we go on behind the last entry that we gave, not at the first.",
    "log-unbounded": "A log that is never trimmed grows for ever: the broker keeps the last `KEEP` entries of a room.",
    "resumes-anywhere": "Who stands outside of what is kept, or in another log, goes on at its start.",
    # accept
    "ack-before-durable": "An acknowledgement is a promise. It is given when the broker has the message, not before.",
    "gives-up-at-once": "A broker that is away for a moment comes back. Its clients are held meanwhile: nothing is "
    "lost, as nothing was acknowledged.",
    "waits-for-ever": "A broker can stay away. After the stated time let go of the client: it may reach a node that "
    "does better.",
    "asks-without-pause": "Who asks a broker without a pause keeps it from getting up again.",
    "gap-acknowledged": "None means that the message cannot be taken: it is passed on, not turned into a number.",
    # owners
    "older-claim-wins": "The newer claim wins, here or elsewhere: compare the generation too, not the node alone.",
    "release-deletes-newer": "Who leaves late deletes what is no longer its own: compare with node *and* generation, "
    "in the broker, then delete.",
    "one-mailbox": "A room that all nodes follow carries each direct message to everybody: one mailbox a person.",
    "asks-for-each": "All claims of this node are compared in one question to the broker, each beat.",
    # outlet
    "queue-unbounded": "What a slow reader leaves unread grows until the node dies, and everybody with it. Look at the "
    "buffer before writing, and bound what waits.",
    "awaits-the-slow": "give() never waits: who waits for a slow reader makes the whole room wait for it.",
    "overtakes": "While something waits, what comes later waits behind it.",
    "drops-newest": "What has waited longest is worth least: the oldest goes, the newest stays.",
    "conflate-reorders": "The last frame of a key stands at the place of the last: what was said in between comes "
    "first.",
    "conflate-unbounded": "As many keys as there are members are as many frames: conflation needs the bound too.",
    "never-drained": "When the connection takes something again, what waits is written, oldest first.",
    # presence
    "ghosts": "A node that is killed releases nobody. Only that it beats no more tells that its people are gone.",
    "ghost-kept": "What a dead node left in the registry is removed by whoever finds it: else it is found for ever.",
    "wall-clocks": "Two hosts' clocks differ. Compare numbers of the other node, and times of your own clock only.",
    "dead-too-soon": "A node that missed one beat is late, not dead: that is what the lease is for.",
    # leaving
    "still-takes": "A node that leaves takes nobody and nothing new: `node.draining` comes first.",
    "closes-before-acks": "What was taken is acknowledged before the goodbye: wait until `node.work.idle`.",
    "hangs-up": "A close code says that the node leaves on purpose; a connection that breaks says nothing.",
    "one-after-another": "One client that does not answer the goodbye must not keep the others: say it to all at once.",
    "drain-waits-for-ever": "What does not end within GRACE_S is not waited for: a node must be able to leave.",
    # negative control
    "control-passes": "A control that passes shows that the check cannot fail, or that nothing was broken.",
    "control-breaks-nothing-else": "A control has one mistake: without faults it works.",
}

lab = Lab(
    "lab4_scaling",
    title="Any node, any client",
    misconceptions=MISCONCEPTIONS,
    serves="serve_node",
    plays="ours",
    on_nodes=True,
)
