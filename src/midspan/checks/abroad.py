"""What a server needs that stands on another address than loopback: a broker behind it, a certificate, its origins.

The labs serve on loopback alone. Only a node of several is let out, and only over TLS with a certificate of one's own,
with the origins stated whose pages may open a connection (RFC 6455, section 10.2).
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from midspan.refusal import Refusal, Words, need

PAGE = "docs/several_hosts.md says how"


@dataclass(frozen=True)
class Files:
    """Where a server's certificate (with its chain) and its key stand, as PEM."""

    certificate: Path | None = None
    key: Path | None = None

    def __bool__(self) -> bool:
        return self.certificate is not None or self.key is not None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, with this certificate.

        Raises:
            Refusal: one of the two is missing or cannot be read, or the key is another certificate's.
        """
        both = self.certificate is not None and self.key is not None
        given = Words("only one of them")
        need(both, "a certificate and its key", given, "Pass --certificate FILE and --key FILE, both PEM")
        assert self.certificate is not None
        assert self.key is not None
        for path in (self.certificate, self.key):
            need(path.is_file(), "a PEM file", str(path), "Correct --certificate or --key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (ssl.SSLError, OSError, Refusal) as error:
            pair = Words(f"{self.certificate} and {self.key} ({getattr(error, 'reason', None) or error})")
            do = "Pass --certificate with the certificate and its chain, --key with its key, without a password"
            raise Refusal("a certificate and its key as PEM", pair, do) from None
        return context


def need_a_safe_place(host: str, tls: bool, files: Files, broker: bool, origins: list[str]) -> None:
    """Refuse an address that others can reach, unless all is there that makes it safe.

    Args:
        host: where to listen.
        tls: is TLS wanted?
        files: of a certificate of one's own.
        broker: does a broker stand behind the server?
        origins: whose pages may connect.
    """
    for origin in origins:
        parts = urlsplit(origin)
        right = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and origin == f"{parts.scheme}://{parts.netloc}"
        )
        need(right, "an origin: scheme, host and port, as a browser sends it", origin, "Write https://chat.example")
    if is_loopback(host):
        return
    need(broker, "a loopback address, as 127.0.0.1", host, "Leave --host out; only a node (--broker) may be there")
    need(_is_address(host), "an address of this machine, as 10.0.0.1", host, "Pass its number, not a name")
    need(tls, "TLS on an address that others can reach", Words("--no-tls"), f"Leave --no-tls out; {PAGE}")
    files_missing = Words("neither --certificate nor --key")
    need(bool(files), "a certificate that names this host, and its key", files_missing, f"Pass both; {PAGE}")
    need(bool(origins), "the origins of pages that may connect", Words("no --origin"), f"Pass --origin URL; {PAGE}")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches it."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def _no_password() -> str:
    raise Refusal("a key without a password", Words("one with a password"), "Take the password off, or use another key")
