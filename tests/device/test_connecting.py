"""What a developer reads when another machine does not answer: over real sockets, as far as one machine allows."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tutela.device import matrix_sign_in
from tutela.device.client import ProviderClient
from tutela.device.connecting import why
from tutela.device.errors import ProviderRefused, ProviderUnreachable, SignInFailed
from tutela.wire.session import SignIn


async def nobody() -> SignIn:
    raise AssertionError("not asked")


async def failure_of(address: str, transport: httpx.AsyncBaseTransport | None = None) -> str:
    async with ProviderClient(address, nobody, seconds=5.0, transport=transport) as client:
        with pytest.raises(ProviderUnreachable, match="the provider did not answer: ") as failed:
            await client.manifest()
    assert "connection" in (failed.value.hint or "")
    return failed.value.message.partition("answer: ")[2]


@asynccontextmanager
async def saying(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says this to whoever writes a line; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")
    return context


async def test_nothing_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert await failure_of(address) == "nothing listens at its address (connection refused)"
        with pytest.raises(SignInFailed, match="does not answer: nothing listens"):
            await matrix_sign_in(address, "token")()


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert (await failure_of("https://provider.example")).startswith("its name is not known")


async def test_what_speaks_no_tls_or_no_http():
    async with saying(b"220 mail.example ESMTP\r\n") as port:
        assert await failure_of(f"https://127.0.0.1:{port}") == "what answers there does not speak TLS"
        assert (await failure_of(f"http://127.0.0.1:{port}")).startswith("what answers there does not speak HTTP")


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path):
    async with saying(b"", self_signed(tmp_path)) as port:
        assert "its TLS certificate does not hold (self-signed" in await failure_of(f"https://localhost:{port}")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ReadTimeout("slow"), "it took too long"),
        (TimeoutError(), "it took too long"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "there is no network on which to reach it"),
        (httpx.ReadError("?"), "the connection failed (ReadError)"),
        (ExceptionGroup("both", [ConnectionRefusedError(), ConnectionRefusedError()]), "nothing listens"),
    ],
)
def test_what_else_can_happen(error: Exception, said: str):
    assert why(error).startswith(said)


@pytest.mark.parametrize("status", [301, 403, 404])
async def test_something_else_than_a_provider_is_asked_to_be_one(status: int):
    answer = httpx.MockTransport(lambda _: httpx.Response(status, stream=httpx.ByteStream(b"<html>")))
    async with ProviderClient("https://web.example", nobody, transport=answer) as client:
        with pytest.raises(ProviderRefused, match=f"status {status}") as refused:
            await client.manifest()
    assert "a Tutela provider?" in (refused.value.hint or "")
