"""The certificate of the client where a WSGI server ends TLS."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tokenguard.testing import ClientCertificate
from tokenguard.wsgi import EnvironRequest

CLIENT = ClientCertificate.generate()

pytestmark = pytest.mark.req("MT-01", "MT-03", "CC-01")


def told(**environ: Any) -> bytes | None:
    """What a request says, of which the server says this."""
    return EnvironRequest({"REQUEST_METHOD": "GET", **environ}).client_certificate


class Connection:
    """A socket of a kind that the standard library does not know, as gevent's."""

    def __init__(self, answer: bytes | Exception | None) -> None:
        self._answer = answer

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        """The certificate in DER, or what goes wrong."""
        assert binary_form
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_it_is_what_mod_ssl_and_others_say() -> None:
    """In PEM, also with the indented lines that nginx writes for uWSGI."""
    assert told(SSL_CLIENT_CERT=CLIENT.pem) == CLIENT.der
    assert told(SSL_CLIENT_CERT=CLIENT.pem, SSL_CLIENT_VERIFY="SUCCESS") == CLIENT.der
    assert told(SSL_CLIENT_CERT=CLIENT.pem.replace("\n", "\n\t").strip()) == CLIENT.der


def test_it_is_that_of_the_socket_that_gunicorn_hands_over() -> None:
    """Whichever class its workers have for sockets."""
    assert told(**{"gunicorn.socket": Connection(CLIENT.der)}) == CLIENT.der


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"SSL_CLIENT_CERT": ""},
        {"SSL_CLIENT_CERT": "(null)"},
        {"SSL_CLIENT_CERT": CLIENT.pem[:-10]},
        {"SSL_CLIENT_CERT": CLIENT.pem, "SSL_CLIENT_VERIFY": "FAILED:unable to verify the first certificate"},
        {"HTTP_SSL_CLIENT_CERT": CLIENT.pem},
        {"gunicorn.socket": None},
        {"gunicorn.socket": Connection(None)},
        {"gunicorn.socket": Connection(OSError())},
        {"gunicorn.socket": Connection(ValueError("handshake not done yet"))},
        {"gunicorn.socket": Connection(CLIENT.der), "SSL_CLIENT_VERIFY": "FAILED:expired"},
    ],
    ids=range(11),
)
def test_else_there_is_none(environ: dict[str, Any]) -> None:
    """Not by a header, not where the server found a fault, and no other error either."""
    assert told(**environ) is None


def test_a_plain_connection_has_none() -> None:
    """A socket without TLS."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert told(**{"gunicorn.socket": ours}) is None
