"""Listening sockets, opened before the workers that share them."""

import errno
import socket
import time
from typing import Final

from server.config_values import Address

# Clients that wait to be accepted. A further one is not told anything, and tries again after a
# second. The system may have a lower limit (net.core.somaxconn).
_BACKLOG: Final = 4096
# The workers of a server that was killed close the port moments after their manager.
_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 0.1
# localhost has an IPv6 address on machines that have no IPv6.
_NOT_SET_UP: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class BindError(Exception):
    """The address cannot be listened on; the message says why, to a person."""


def bind(address: Address) -> list[socket.socket]:
    """Return sockets that listen on every address that the host name has, at least one.

    Port 0 becomes one free port for all of them. Blocking. Raises BindError.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {error.strerror}") from None
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, _, _, where in dict.fromkeys(found):
        port = sockets[0].getsockname()[1] if sockets else address.port
        try:
            sockets.append(_listening(family, (where[0], port, *where[2:])))
        except OSError as error:
            if failure is None or failure.errno in _NOT_SET_UP:
                failure = error
    if failure and (not sockets or failure.errno not in _NOT_SET_UP):
        for each in sockets:
            each.close()
        raise BindError(f"cannot listen on {address}: {failure.strerror}")
    return sockets


def _listening(family: int, where: tuple[object, ...]) -> socket.socket:
    for attempts_left in reversed(range(_ATTEMPTS)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(where)
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            if error.errno != errno.EADDRINUSE or not attempts_left:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            listening.setblocking(False)
            return listening
    raise AssertionError("the last attempt returns or raises")
