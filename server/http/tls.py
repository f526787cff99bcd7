"""The TLS context of https."""

import ssl
from pathlib import Path


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server. cert: with its chain; key: without a pass phrase.

    Raises OSError (ssl.SSLError is one) for files that are missing or do not fit each other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # An empty pass phrase, rather than a question on the terminal of a server.
    context.load_cert_chain(cert, key, password="")
    return context
