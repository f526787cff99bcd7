import socket

import pytest

from server.config_values import Address
from server.http.bind import BindError, bind


def test_bind_listens_on_a_free_port_where_the_port_is_0() -> None:
    [listening] = bind(Address("127.0.0.1", 0))

    with listening, socket.create_connection(listening.getsockname()) as client:
        assert client.getpeername()[1] != 0


def test_bind_gives_every_address_of_a_name_the_same_port() -> None:
    sockets = bind(Address("localhost", 0))

    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert len(ports) == 1


def test_bind_says_which_address_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(
            BindError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"
        ):
            bind(Address("127.0.0.1", port))


def test_bind_says_which_name_is_unknown() -> None:
    with pytest.raises(BindError, match=r"cannot listen on no\.such\.host\.invalid:9000"):
        bind(Address("no.such.host.invalid", 9000))
