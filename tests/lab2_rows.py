"""Engine.IO v4 and Socket.IO v5 over a WebSocket, a row a sentence: what a client sends, and what must come back.

Every WebSocket case of both protocols' own test suites is here, in our words, beside the sentences of the two
specifications that a bare client can try. What they leave open, and we decide, is marked `ours`.
"""

from __future__ import annotations

from typing import NamedTuple

Message = str | bytes
HOLES = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
BACK = '451-["message-back",{"_placeholder":true,"num":0}]'
REPLY, AUTH = '40{"sid":SID}', '42["auth",{}]'
CUSTOM, CUSTOM_AUTH = '40/custom,{"sid":SID}', '42/custom,["auth",{}]'


class Row(NamedTuple):
    """One conversation after the opening packet."""

    says: str  # the sentence, in short
    sent: tuple[Message | int, ...]  # a number: so many messages are waited for before the next one is sent
    back: tuple[Message, ...] = ()
    closed: bool = False  # by the server, at once


class Request(NamedTuple):
    """One HTTP request, and the status of the answer."""

    says: str
    target: str
    status: int
    method: str = "GET"
    upgrade: bool = True


ASK = "/socket.io/?EIO=4&transport=websocket"
REQUESTS = (
    Request("GET with EIO=4 and transport=websocket is answered with 101", ASK, 101),
    Request(
        "other parameters, and any order, make no difference", "/socket.io/?t=a%20b&transport=websocket&EIO=4", 101
    ),
    Request("EIO is mandatory", "/socket.io/?transport=websocket", 400),
    Request("EIO is a version that the server speaks: abc", "/socket.io/?EIO=abc&transport=websocket", 400),
    Request("EIO is a version that the server speaks: 3", "/socket.io/?EIO=3&transport=websocket", 400),
    Request("EIO is a version that the server speaks: 5", "/socket.io/?EIO=5&transport=websocket", 400),
    Request("EIO is a version that the server speaks: nothing", "/socket.io/?EIO=&transport=websocket", 400),
    Request("ours: EIO is named once", f"{ASK}&EIO=3", 400),
    Request("transport is mandatory", "/socket.io/?EIO=4", 400),
    Request("transport is one that the server has: abc", "/socket.io/?EIO=4&transport=abc", 400),
    Request("transport is one that the server has, and it has no polling", "/socket.io/?EIO=4&transport=polling", 400),
    Request("transport is one that the server has: constructor", "/socket.io/?EIO=4&transport=constructor", 400),
    Request("without any parameter", "/socket.io/", 400),
    Request("the session ID is not known: 400", f"{ASK}&sid=nobody", 400),
    Request("an empty session ID is not known either", f"{ASK}&sid=", 400),
    Request("POST opens no session", "/socket.io/?EIO=4&transport=polling", 400, "POST", False),
    Request("PUT opens no session", "/socket.io/?EIO=4&transport=polling", 400, "PUT", False),
    Request("a WebSocket is asked for by an upgrade", ASK, 400, "GET", False),
    Request("another path is somebody else's", "/engine.io/?EIO=4&transport=websocket", 404),
    Request("another path, without a slash at its end", "/socket.io?EIO=4&transport=websocket", 404),
)

CONNECTS = (
    Row("CONNECT is answered with CONNECT and a session ID", ("40",), (REPLY, AUTH)),
    Row(
        "the payload of CONNECT reaches the application", ('40{"token":"123"}',), (REPLY, '42["auth",{"token":"123"}]')
    ),
    Row("an empty payload too", ("40{}",), (REPLY, AUTH)),
    Row("a custom namespace", ("40/custom,",), (CUSTOM, CUSTOM_AUTH)),
    Row("its comma may be missing at the end", ("40/custom",), (CUSTOM, CUSTOM_AUTH)),
    Row("with a payload", ('40/custom,{"token":"abc"}',), (CUSTOM, '42/custom,["auth",{"token":"abc"}]')),
    Row("several namespaces on one connection", ("40", 2, "40/custom,"), (REPLY, AUTH, CUSTOM, CUSTOM_AUTH)),
    Row("`/` may be named", ("40/,",), (REPLY, AUTH)),
    Row("an unknown namespace: CONNECT_ERROR", ("40/random",), ('44/random,{"message":"Invalid namespace"}',)),
    Row("the same with a payload", ('40/random,{"a":1}',), ('44/random,{"message":"Invalid namespace"}',)),
    Row(
        "and another one afterwards",
        ("40/random,", "40"),
        ('44/random,{"message":"Invalid namespace"}', REPLY, AUTH),
    ),
    Row("a namespace that is not open to all", ("40/vip,{}",), ('44/vip,{"message":"Not authorized"}',)),
    Row("refused with its reason", ('40/vip,{"token":"x"}',), ('44/vip,{"message":"a wrong token"}',)),
    Row("an invalid handshake", ("4abc",), closed=True),
    Row("an event before CONNECT", ('42["message"]',), closed=True),
    Row("an event for a namespace that was not joined", ("40", 2, '42/custom,["message"]'), (REPLY, AUTH), closed=True),
    Row(
        "an event after a refusal", ("40/vip,{}", '42/vip,["message"]'), ('44/vip,{"message":"Not authorized"}',), True
    ),
    Row("an ACK before CONNECT", ("430[]",), closed=True),
    Row("a DISCONNECT before CONNECT", ("41",), closed=True),
    Row("a CONNECT_ERROR is the server's", ('44{"message":"x"}',), closed=True),
    Row("CONNECT twice", ("40", 2, "40"), (REPLY, AUTH), closed=True),
    Row("the payload of CONNECT is an object: not an array", ("40[]",), closed=True),
    Row("not a text", ('40"x"',), closed=True),
    Row("not null", ("40null",), closed=True),
    Row("not a number: that is an id, and CONNECT has none", ("405",), closed=True),
    Row("and JSON", ("40{",), closed=True),
)

ONE = ("40",)
MESSAGES = (
    Row(
        "an event with several arguments",
        ('42["message",1,"2",{"3":[true]}]',),
        ('42["message-back",1,"2",{"3":[true]}]',),
    ),
    Row("an event without arguments", ('42["message"]',), ('42["message-back"]',)),
    Row("an event in `/` that is named", ('42/,["message"]',), ('42["message-back"]',)),
    Row(
        "an event with binary attachments",
        (f'452-["message",{HOLES}]', b"\x01\x02\x03", b"\x04\x05\x06"),
        (f'452-["message-back",{HOLES}]', b"\x01\x02\x03", b"\x04\x05\x06"),
    ),
    Row(
        "attachments deep in the data, in another order, empty",
        ('452-["message",{"a":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]', b"x", b""),
        ('452-["message-back",{"a":[{"_placeholder":true,"num":0}]},{"_placeholder":true,"num":1}]', b"", b"x"),
    ),
    Row("an event with an ack", ('42456["message-with-ack",1,"2",{"3":[false]}]',), ('43456[1,"2",{"3":[false]}]',)),
    Row("an ack with id 0", ('420["message-with-ack"]',), ("430[]",)),
    Row("a large id", ('429007199254740991["message-with-ack"]',), ("439007199254740991[]",)),
    Row(
        "the receiver must acknowledge, whatever the handler returns",
        ('427["message"]',),
        ('42["message-back"]', "437[]"),
    ),
    Row(
        "a binary event with an ack",
        (f'452-789["message-with-ack",{HOLES}]', b"\x01\x02\x03", b"\x04\x05\x06"),
        (f"462-789[{HOLES}]", b"\x01\x02\x03", b"\x04\x05\x06"),
    ),
    Row(
        "a binary ack beside other values",
        (f'452-789["message-with-ack",1,{HOLES},"test"]', b"\x01", b"\x04"),
        (f'462-789[1,{HOLES},"test"]', b"\x01", b"\x04"),
    ),
    Row("an unknown event is nobody's, and no violation", ('42["nobody"]', '42["message"]'), ('42["message-back"]',)),
    Row("text in any script", ('42["message","grüß ☃"]',), ('42["message-back","gr\\u00fc\\u00df \\u2603"]',)),
    Row("a lone surrogate is text of JSON", ('42["message","\\ud800"]',), ('42["message-back","\\ud800"]',)),
    Row(
        "without attachments a placeholder is data",
        ('42["message",{"_placeholder":true,"num":0}]',),
        ('42["message-back",{"_placeholder":true,"num":0}]',),
    ),
    Row("DISCONNECT has no answer; the connection stays", ("41",)),
    Row("and can be joined again", ("41", "40"), (REPLY, AUTH)),
    Row("after DISCONNECT an event is one before CONNECT", ("41", '42["message"]'), closed=True),
    Row(
        "DISCONNECT from one namespace leaves the others",
        ("40/custom", 2, "41/custom", '42["message","to the main namespace"]'),
        (CUSTOM, CUSTOM_AUTH, '42["message-back","to the main namespace"]'),
    ),
    Row("DISCONNECT has no payload", ('41{"a":1}',), closed=True),
    Row("DISCONNECT has no payload, not even null", ("41null",), closed=True),
    Row("DISCONNECT has no id", ("415",), closed=True),
)

MALFORMED = (
    Row("unknown packet type", ("4abc",), closed=True),
    Row("unknown packet type 7", ('47["message"]',), closed=True),
    Row("a packet type in another script", ('4\u0662["message"]',), closed=True),
    Row("no packet at all in the message", ("4",), closed=True),
    Row("the payload of EVENT is an array", ("42{}",), closed=True),
    Row("not a text", ('42"message"',), closed=True),
    Row("a non-empty one", ("42[]",), closed=True),
    Row("and mandatory", ("42",), closed=True),
    Row("mandatory in a custom namespace too", ("42/custom,",), closed=True),
    Row("null is none", ("42null",), closed=True),
    Row("invalid ack id", ('42abc["message-with-ack",1]',), closed=True),
    Row("a negative ack id", ('42-1["message-with-ack"]',), closed=True),
    Row("an ack id with a fraction", ('421.5["message-with-ack"]',), closed=True),
    Row("ours: an ack id with leading zeros", ('42007["message-with-ack"]',), closed=True),
    Row("an ack id in another script", ('42\u0663["message-with-ack"]',), closed=True),
    Row("ours: an ack id that JavaScript cannot count to", ('429007199254740992["message-with-ack"]',), closed=True),
    Row("an ack id of 5,000 digits", ("42" + "1" * 5000 + '["message-with-ack"]',), closed=True),
    Row("the payload of ACK is an array", ("431{}",), closed=True),
    Row("and mandatory", ("431",), closed=True),
    Row("an ACK without an id", ("43[]",), closed=True),
    Row("ours: an ACK that nobody asked for", ("431[1]",), closed=True),
    Row("ours: the event's name is a text", ("42[1]",), closed=True),
    Row("not an object", ("42[{}]",), closed=True),
    Row("not null", ("42[null]",), closed=True),
    Row("not an attachment", ('451-[{"_placeholder":true,"num":0}]',), closed=True),
    Row("not one of those that the library emits", ('42["disconnect"]',), closed=True),
    Row("not one of those either", ('42["connect_error"]',), closed=True),
    Row("ours: not longer than 256 characters", ('42["' + "x" * 257 + '"]',), closed=True),
    Row("JSON ends", ('42["message"',), closed=True),
    Row("nothing stands behind it", ('42["message"]]',), closed=True),
    Row("Infinity is no JSON", ('42["message",Infinity]',), closed=True),
    Row("NaN is no JSON", ('42["message",NaN]',), closed=True),
    Row("ours: nor is a number that no float holds", ('42["message",1e999]',), closed=True),
    Row("ours: data is not deeper than 32", ('42["message",' + "[" * 32 + "]" * 32 + "]",), closed=True),
    Row("100,000 lists inside each other", ('42["message",' + "[" * 100_000,), closed=True),
    Row("a namespace begins with a slash", ('42custom,["message"]',), closed=True),
    Row("ours: a namespace is not longer than 256 characters", ("40/" + "x" * 256,), closed=True),
    Row("BINARY_EVENT says how many attachments follow", ('45["message"]',), closed=True),
    Row("with a number", ('45-["message"]',), closed=True),
    Row("in digits", ('45x-["message"]',), closed=True),
    Row("not negative", ('45-1-["message"]',), closed=True),
    Row("ours: at most 64", ('4565-["message"]',), closed=True),
    Row("1e9 attachments", ('451000000000-["message"]',), closed=True),
    Row("EVENT has no attachments", ('421-["message"]',), closed=True),
    Row("CONNECT has none", ("401-",), closed=True),
    Row("a binary message that nobody announced", (b"\x01",), closed=True),
    Row(
        "one attachment too many", ('451-["message",{"_placeholder":true,"num":0}]', b"a", 2, b"b"), (BACK, b"a"), True
    ),
    Row(
        "a text where an attachment is due",
        ('451-["message",{"_placeholder":true,"num":0}]', '42["message"]'),
        (),
        True,
    ),
    Row("a placeholder that points at nothing", ('451-["message",{"_placeholder":true,"num":1}]', b"a"), (), True),
    Row("a placeholder that counts from the end", ('451-["message",{"_placeholder":true,"num":-1}]', b"a"), (), True),
    Row("an attachment that no placeholder names", ('451-["message"]', b"a"), (), True),
    Row("a placeholder named twice", (f'451-["message",{HOLES.replace("1", "0")}]', b"a"), (), True),
)

ENGINE = (
    Row("a close packet closes the connection", ("1",), closed=True),
    Row("invalid packet format", ("abc",), closed=True),
    Row("an empty packet", ("",), closed=True),
    Row("a type that there is not", ("7",), closed=True),
    Row("a type in another script", ("\u0664",), closed=True),
    Row("base64 is for polling", ("bAQID",), closed=True),
    Row("open is the server's", ("0{}",), closed=True),
    Row("since version 4 the server pings, not the client", ("2",), closed=True),
    Row("there is nothing to probe", ("2probe",), closed=True),
    Row("nor to upgrade", ("5",), closed=True),
    Row("noop is for polling", ("6",), closed=True),
    Row("ours: a pong has no data", ("3x",), closed=True),
    Row("ours: a close has no data", ("1x",), closed=True),
    Row("ours: a pong that nobody asked for changes nothing", ("3",)),
)
