"""The lab and its table of misconceptions: id -> the words that the learner reads."""

from __future__ import annotations

from midspan.checks import Lab

MISCONCEPTIONS = {
    # in any step
    "nothing-returned": "A function that ends without `return` gives None.",
    # accept_key
    "bytes-not-text": "The right bytes. A header is text: `.decode()` makes it so.",
    "key-without-guid": "The key alone proves nothing: the GUID of section 1.3 is joined to its end before the hash.",
    "hex-not-base64": "The digest travels as base64 of its 20 raw bytes, not of its hexadecimal text, and not as hex.",
    "key-decoded": "The key is hashed as the text that stands in the header. It is not decoded first.",
    "guid-in-front": "The key comes first, the GUID is joined to its end.",
    "guid-in-lower-case": "The GUID is hashed as section 1.3 writes it, in capitals.",
    "base64-for-urls": "Base64 has two alphabets: headers take the one with + and /, URLs the one with - and _.",
    # mask
    "mask-unchanged": "The data came back as it was: each octet of it is combined with one of the key, by `^`.",
    "mask-length": "One octet comes out for each one that goes in: the result is as long as the data.",
    "mask-byte-order": "Bytes become two numbers and a number becomes bytes: all three times in one byte order. A mix "
    "turns something round.",
    "mask-key-once": "The key has four octets and the data may have more: after the fourth comes the first again.",
    "mask-first-byte-only": "Octet i is combined with octet i modulo 4 of the key: all four octets take turns.",
    "mask-offset": "A piece from the middle of a payload goes on where the key stood: the key repeats from the "
    "payload's first byte, not from the piece's.",
    "mask-without-offset": "`mask` takes a third argument, which may be left out: `offset`, the number of bytes that "
    "came before the data.",
    "mask-turned-the-other-way": "The key is turned the other way: a piece from byte 1 on begins with byte 1 of the "
    "key.",
    "mask-offset-modulo": "The key begins again every four bytes: offset 4 is as offset 0, and 7 as 3.",
    "mask-leading-zeros": "A number forgets its leading zero bytes: the result is as long as the data.",
    # encode_frame
    "length-126-boundary": "125 is the longest length that fits into 7 bits: 126 and 127 are marks for longer fields.",
    "length-64k-boundary": "65,535 is the longest length that fits into 16 bits; 65,536 needs the 64-bit field.",
    "length-little-endian": "Lengths on the wire are in network byte order: the most significant byte comes first.",
    "length-127-four-bytes": "The mark 127 announces eight bytes of length, not four.",
    "fin-not-written": "The highest bit of the first byte is FIN: set on the last frame of a message only.",
    "mask-bit-missing": "A masked frame says so in the highest bit of its second byte, in front of the length.",
    "key-before-length": "The mask key stands behind the length, extended or not, and in front of the payload.",
    # frame_parser
    "one-recv-one-frame": "What one read returns is not a frame: TCP keeps the order of bytes, not the cuts between "
    "them.",
    "first-frame-only": "One read can hold several frames; each of them counts.",
    "waits-for-whole-frame": "A data frame is handed on as it arrives: text has to fail at its first bad byte, and a "
    "frame can be as long as the limit.",
    "unmasked-accepted": "A client masks every frame, control frames and empty ones too; a server refuses any that "
    "is not.",
    "masked-accepted": "A server never masks; a client refuses a frame that is masked.",
    "fin-not-read": "FIN tells the last frame of a message from one that goes on. It has to be handed on.",
    "reserved-accepted": "Reserved bits and opcodes mean nothing yet: without an extension they fail the connection.",
    "control-unlimited": "A control frame is never fragmented and carries at most 125 bytes.",
    "non-minimal-accepted": "A length is written in the fewest bytes, and a 64-bit length never has its top bit set.",
    "limit-after-payload": "The header alone says that a frame is too long: nobody has to receive it to find out.",
    "violation-hides-frames": "Frames in front of a violation are good frames: they are handed on before it is raised.",
    "quadratic-buffer": "The work grows with the square of the bytes: each frame copies, or looks again at, all that "
    "waits behind it.",
    # message_assembler
    "fin-ignored": "A message is whole when its last frame is: a frame without FIN completes nothing.",
    "utf8-per-fragment": "A character may be cut between two fragments: UTF-8 is decoded over the whole message.",
    "utf8-at-the-end": "Text fails at its first bad byte, not when the message is complete.",
    "utf8-cut-at-the-end": "A message that ends inside a character is not UTF-8.",
    "utf8-surrogate-late": "ED followed by A0 to BF begins a surrogate: bad at its second byte. Python's decoder "
    "waits for the third; getstate() shows what it holds back.",
    "binary-as-text": "Binary is any bytes: only text is UTF-8.",
    "continuation-of-nothing": "A continuation needs a message that has begun and is not finished.",
    "message-inside-message": "Between the fragments of a message no other data frame may stand.",
    "limit-per-fragment": "The limit is for the whole message: its fragments count together, with what is still to "
    "come.",
    # close_frame
    "one-byte-code": "A close has no payload, or a code of two bytes and then a reason. One byte is neither.",
    "any-code": "Codes below 1000, the reserved ones, 1016 to 2999 and those from 5000 on never travel.",
    "reason-not-utf8": "The reason is UTF-8, as text is: other bytes fail with 1007.",
    "empty-close-is-1000": "A close without a payload carries no code: that is reported as 1005, not as 1000.",
    "reason-too-long": "A close is a control frame: 125 bytes, two of them the code; cut between two characters.",
    "1005-sent": "1005 says that there was no code: it is never written on the wire.",
    # connection
    "pong-without-payload": "A pong carries the same payload as its ping: so the asker knows which ping was answered.",
    "control-breaks-message": "A control frame between two fragments is no part of the message, and does not end it.",
    "answers-after-all": "What follows a message is looked at when the next message is asked for: else the close of "
    "a later violation overtakes the answer.",
    "close-not-answered": "A close is answered with a close; then both ends have said it.",
    "close-not-checked": "A close can break the rules too: its payload is read before it is answered.",
    "data-after-close": "After a close no data follows: not ours behind our close, and none of the peer's behind its "
    "own.",
    "second-close": "Each end sends one close, whatever happens afterwards.",
    "violation-not-told": "A violation is told to the peer by a close with its code; then nothing more is processed.",
    "done-too-early": "Our own close is half of the handshake: messages still count until the peer's close is here.",
    "eof-is-1000": "A stream that ends without a close is 1006, whoever ended it.",
    "eof-forgets-close": "When the peer's close was here, the end of the stream takes nothing away from its code.",
    "client-does-not-mask": "A client masks every frame that it sends, each with a fresh key.",
    "ping-too-long": "A ping is a control frame: 125 bytes at most.",
    # opening
    "head-one-recv": "The head can come in pieces: it is there when the blank line is.",
    "rest-dropped": "Bytes behind the blank line are frames already: they must not be lost.",
    "head-unlimited": "A head without an end fills the memory of a server that waits for it.",
    "header-case": "Header names, and the tokens of Upgrade and Connection, are the same in any case.",
    "header-value-not-list": "Upgrade and Connection are lists: the token may stand among others, or on a line of "
    "its own.",
    "header-line-accepted": "A line without a name and a colon is no header; a name has no spaces.",
    "request-not-checked": "A request that is not a WebSocket handshake is refused, with the status that says why.",
    "version-not-told": "A server that does not speak the asked version says 426, and which one it speaks.",
    "key-not-checked": "The key is the base64 of 16 bytes: 22 characters and two `=`.",
    "accept-not-checked": "Whoever answers without having read our key is no WebSocket server: a cache, for instance.",
    "status-not-checked": "Only 101 switches protocols; all else is an HTTP answer.",
    "unasked-extension": "What we did not ask for, we do not speak: the connection fails.",
    # sockets
    "recv-is-read": "One read is not one message: what came is kept, and what is missing is waited for.",
    "no-flush-in-recv": "Pongs and closes are due when the bytes that ask for them were read, not when we next send.",
    "tcp-left-open": "After both closes the server ends TCP at once; a client waits for that.",
    "waits-for-ever": "A peer that never answers is waited for as long as the timeout says, and no longer.",
    "handler-ends-open": "When the handler is done, so is the connection: with a close, then the end of TCP.",
    "refusal-not-sent": "Who is refused is told so, by the HTTP response, and then TCP ends.",
    # patience
    "whole-message-first": "A frame cannot be interrupted: what is due soon waits until all of it is gone. Fragments "
    "are the places where something else may pass.",
    "control-waits-in-line": "Control frames pass by the messages that wait: they go out before the next fragment.",
    "fragments-mixed": "Fragments of two messages must not mix: the second begins when the first has ended.",
    "fragment-opcode": "The first fragment has the message's opcode, those behind it have CONTINUATION, the last has "
    "FIN.",
    "close-overtakes": "Our own close comes behind the messages that were sent before it; nothing may follow it.",
    "answer-waits": "The answer to the peer's close does not wait for our messages: nobody would read them.",
}

lab = Lab("lab1_framing", title="Whole messages only", misconceptions=MISCONCEPTIONS, serves="serve_echo")
