"""HTTP/1.1 (RFC 9112), as in the upgrade to WebSocket and in long-polling. h11 parses it.

One call of `read_http` reads one message: a head, and a body if there is one. How the body of a response ends depends
on the request, so the request is an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import h11

from midspan.errors import Refusal, need
from midspan.protocols.capture import count, shown

# Parts of a head that differ from run to run or from machine to machine, with their replacements.
VOLATILE: tuple[tuple[str, str], ...] = (
    (r"(?im)^(sec-websocket-key): .*$", r"\1: <16 random bytes in base64>"),
    (r"(?im)^(sec-websocket-accept): .*$", r"\1: <20 bytes in base64>"),
    (r"(?im)^(date): .*$", r"\1: <date>"),
    (r"(localhost|127\.0\.0\.1):\d+", r"\1:<port>"),
)
PRODUCT = r"(?im)^(user-agent|server): .*$"  # "name/version name/version": the versions differ


@dataclass(frozen=True, slots=True, repr=False)
class HttpHead:
    """The head of a request (method and target) or of a response (status and reason).

    Attributes:
        method, target: of a request, "" for a response.
        status, reason: of a response, 0 and "" for a request.
        headers: names and values, in the order and case on the wire.
        raw: start line, header lines and the empty line.
    """

    method: str
    target: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.target}" if self.method else f"{self.status} {self.reason}".rstrip()

    __repr__ = __str__

    def header(self, name: str) -> str:
        """The value of a header, "" if there is none. Several values are joined with ", " (RFC 9110, section 5.3)."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    def text(self, hide: bool = True) -> str:
        """The whole head as text. `hide` replaces what differs from run to run (key, date, port, versions)."""
        text = self.raw.decode("latin-1").replace("\r\n", "\n").rstrip("\n")
        if not hide:
            return text
        for pattern, replacement in VOLATILE:
            text = re.sub(pattern, replacement, text)
        return re.sub(PRODUCT, lambda line: re.sub(r"/\d[\w.]*", "/<version>", line[0]), text)


@dataclass(frozen=True, slots=True, repr=False)
class HttpBody:
    """A body. `data` is the content, `raw` the bytes on the wire (with chunk sizes, if any)."""

    data: bytes
    raw: bytes

    @property
    def words(self) -> str:
        """The body without its content."""
        return f"body {count(len(self.data), 'byte')}"

    def __str__(self) -> str:
        return f"{self.words} {shown(self.data)}".rstrip()

    __repr__ = __str__


class HttpMessage(NamedTuple):
    """The result of `read_http`. `complete` is False while bytes of the body are missing."""

    head: HttpHead
    body: HttpBody | None
    complete: bool
    rest: bytes


def read_http(data: bytes, request: HttpHead | None = None, *, ended: bool = False) -> HttpMessage | None:
    """Read one message from the beginning of `data`; None while its head is incomplete.

    Args:
        data: bytes from one side.
        request: the request that the message answers; None if the message is a request.
        ended: whether no more bytes will come; this ends a body without a length.

    Raises:
        Refusal: the bytes are not HTTP/1.1.
    """
    need(isinstance(data, bytes), "bytes from one side of a connection", data, "Pass Capture.sent_by(side)")
    need(request is None or isinstance(request, HttpHead), "the request's head, or None", request, "Pass `.head` of it")
    reader = _reader(request)
    try:
        return _read(reader, data, ended)
    except h11.RemoteProtocolError as error:
        what = "a response" if request else "a request"
        raise Refusal(f"the head of {what} (RFC 9112)", data, f"h11 says: {error}") from error


def _read(reader: h11.Connection, data: bytes, ended: bool) -> HttpMessage | None:
    if not data:  # h11 would take b"" for the end of the connection
        return None
    reader.receive_data(data)
    event = reader.next_event()
    if not isinstance(event, (h11.Request, h11.Response, h11.InformationalResponse)):
        return None
    body_at = len(data) - len(reader.trailing_data[0])
    head = _head(event, data[:body_at])
    if isinstance(event, h11.InformationalResponse):  # no body; after 101 another protocol follows
        return HttpMessage(head, None, True, data[body_at:])
    content, complete = _content(reader, ended)
    rest = reader.trailing_data[0] if complete else b""
    raw = data[body_at : len(data) - len(rest)]
    return HttpMessage(head, HttpBody(content, raw) if raw else None, complete, rest)


def _content(reader: h11.Connection, ended: bool) -> tuple[bytes, bool]:
    """The content of the body so far, and whether it is complete."""
    content = b""
    if ended:
        reader.receive_data(b"")
    try:
        while not isinstance(event := reader.next_event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return content, False
            content += bytes(event.data)
    except h11.RemoteProtocolError:  # the end came before the announced length
        return content, False
    return content, True


def _reader(request: HttpHead | None) -> h11.Connection:
    """An h11 connection that has sent `request` and waits for the response; or one that waits for a request."""
    if request is None:
        return h11.Connection(h11.SERVER)
    asked = [("Host", "any"), *((k, v) for k, v in request.headers if k.lower() in ("upgrade", "connection"))]
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=request.method, target=b"/", headers=asked))
    reader.send(h11.EndOfMessage())
    return reader


def _head(event: h11.Request | h11.Response | h11.InformationalResponse, raw: bytes) -> HttpHead:
    headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers.raw_items())
    if isinstance(event, h11.Request):
        return HttpHead(event.method.decode("latin-1"), event.target.decode("latin-1"), 0, "", headers, raw)
    return HttpHead("", "", event.status_code, bytes(event.reason).decode("latin-1"), headers, raw)
