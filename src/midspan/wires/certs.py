"""A throw-away certificate authority: real, verified TLS with no key in the repository.

Each authority lives in memory and dies with its process. Clients trust it because they are handed its context,
never because verification is switched off.
"""

from __future__ import annotations

import ssl
from functools import cached_property

import trustme

HOST = "127.0.0.1"  # never "localhost": it may resolve to ::1 first, where somebody else's server may listen
NAMES = (HOST, "localhost")


class Authority:
    """A certificate authority and one certificate for this machine's loopback names."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="midspan, for one session")
        self._certificate = self._ca.issue_cert(*NAMES)

    @property
    def pem(self) -> bytes:
        """The authority's certificate, to hand to a client in another process."""
        return self._ca.cert_pem.bytes()

    @property
    def identity_pem(self) -> tuple[str, str]:
        """The key and the certificate that `server` presents, for a server in another process; never for a file."""
        chain = b"".join(blob.bytes() for blob in self._certificate.cert_chain_pems)
        return self._certificate.private_key_pem.bytes().decode(), chain.decode()

    @cached_property
    def server(self) -> ssl.SSLContext:
        """What a server on loopback presents; TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        return context

    @cached_property
    def client(self) -> ssl.SSLContext:
        """What a client trusts: this authority and no other; host names are checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        return context
