"""Why another machine did not answer, in plain words; for developers, and for whoever sets a client up."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import httpx

_TOO_LONG: Final = (httpx.TimeoutException, TimeoutError)
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})


def why(error: BaseException) -> str:
    """Return why a connection failed, as far as `error` and what caused it tell."""
    for one in _causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its TLS certificate does not hold ({one.verify_message})"
        if isinstance(one, ssl.SSLError):
            return "what answers there does not speak TLS"
        if isinstance(one, socket.gaierror):
            return "its name is not known (is it spelled right, and is there a network?)"
        if isinstance(one, ConnectionRefusedError):
            return "nothing listens at its address (connection refused)"
        if isinstance(one, OSError) and one.errno in _NO_WAY:
            return "there is no network on which to reach it"
        if isinstance(one, _TOO_LONG):
            return "it took too long"
        if isinstance(one, httpx.RemoteProtocolError):
            return "what answers there does not speak HTTP, or broke off"
    return f"the connection failed ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what lies behind an error, the innermost first: the outer ones say less."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else (error.__cause__ or error.__context__,)
    for one in inner:
        if one is not None:
            yield from _causes(one)
    yield error
