"""What the way to the homeserver's admin API makes of answers, and of the token's file."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from harness.provider import SERVER
from tutela.integrations.matrix.admin_api import AdminApi, Denied, token_in
from tutela.integrations.matrix.enforcement import SynapseEnforcer, acting
from tutela.integrations.matrix.notices import Notices
from tutela.provider.errors import EnforcerAway, EnforcerError, EnforcerRefused, SettingsError
from tutela.provider.review import outbox
from tutela.provider.review.acting import PendingAction
from tutela.provider.settings import Settings

Answer = httpx.Response | Exception


async def asked(answer: Answer | Callable[[httpx.Request], httpx.Response]) -> dict[str, object]:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    api = AdminApi("http://homeserver.invalid/", lambda: "secret-token", transport=httpx.MockTransport(handle))
    try:
        return await api.request("GET", "/path", params={"a": "b"})
    finally:
        await api.close()


async def test_an_answer() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret-token"
        assert str(request.url) == "http://homeserver.invalid/path?a=b"
        return httpx.Response(201, json={"x": 1})

    assert await asked(answer) == {"x": 1}


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (httpx.ConnectError("refused"), None),
        (httpx.ConnectTimeout("slow"), None),
        (httpx.Response(429, json={"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}), 2),
        (httpx.Response(429, json={"retry_after_ms": 1500}, headers={"retry-after": "7"}), 7),
        (httpx.Response(429, json={"retry_after_ms": "soon"}, headers={"retry-after": "Wed, 21 Oct 2026"}), None),
        (httpx.Response(503, text="<html>", headers={"retry-after": "9" * 100}), 999_999_999),
        (httpx.Response(502), None),
        (httpx.Response(504), None),
    ],
)
async def test_away(answer: Answer, pause: int | None) -> None:
    with pytest.raises(EnforcerAway) as refused:
        await asked(answer)
    assert refused.value.retry_after == pause


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.ReadTimeout("slow"), "did not answer"),
        (httpx.RemoteProtocolError("garbage"), "did not answer"),
        (httpx.Response(500, json={"errcode": "M_UNKNOWN", "error": "boom"}), "500 M_UNKNOWN boom"),
        (httpx.Response(200, text="<html>"), "refused GET /path: 200"),
        (httpx.Response(200, json=[1]), "refused GET /path: 200"),
        (httpx.Response(200, content=b"[" * 100_000), "refused GET /path: 200"),
        (httpx.Response(302, headers={"location": "http://elsewhere.example"}), "refused GET /path: 302"),
        (httpx.Response(404, text="nothing here"), "refused GET /path: 404"),
        (httpx.Response(401, json={"errcode": "M_UNKNOWN_TOKEN"}), "does not know the service account's token"),
    ],
)
async def test_not_now(answer: Answer, said: str) -> None:
    with pytest.raises(EnforcerError, match=said) as refused:
        await asked(answer)
    assert not isinstance(refused.value, EnforcerAway)
    assert "secret-token" not in str(refused.value) + repr(refused.value.__cause__)


async def test_a_denial_keeps_what_it_was() -> None:
    with pytest.raises(Denied) as refused:
        await asked(httpx.Response(403, json={"errcode": "M_FORBIDDEN", "error": "x" * 1000}))
    assert (refused.value.status, refused.value.errcode) == (403, "M_FORBIDDEN")
    assert len(str(refused.value)) < 300


def over(handle: Callable[[httpx.Request], httpx.Response]) -> AdminApi:
    return AdminApi("http://homeserver.invalid", lambda: "t", transport=httpx.MockTransport(handle))


async def test_a_proxy_that_hides_the_admin_api_is_no_unknown_account() -> None:
    """A 404 that is not Matrix's must not settle anything for good."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("whoami"):
            return httpx.Response(200, json={"user_id": f"@safety:{SERVER}"})
        return httpx.Response(404, json={"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"})

    for kind, target in ((outbox.LOCK, f"@leo:{SERVER}"), (outbox.QUARANTINE, f"mxc://{SERVER}/a")):
        with pytest.raises(Denied):
            await SynapseEnforcer(over(handle), SERVER, bytes(32)).perform(PendingAction("1", kind, target, ""))


async def test_an_answer_without_end_is_not_read_to_it() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 1 << 10:
            read += 1
            yield b" " * (1 << 20)

    with pytest.raises(EnforcerError, match="refused GET /path: 200"):
        await asked(httpx.Response(200, content=endless()))
    assert read < 40


async def test_a_token_of_another_homeserver() -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"user_id": "@safety:elsewhere.example"})

    with pytest.raises(EnforcerError, match=r"@safety:elsewhere\.example, which is none of") as refused:
        await SynapseEnforcer(over(handle), SERVER, bytes(32)).perform(
            PendingAction("1", outbox.LOCK, f"@leo:{SERVER}", "")
        )
    assert "enforcer_token_file" in (refused.value.hint or "")


async def test_a_homeserver_that_names_no_room() -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={})

    with pytest.raises(EnforcerError, match="lacks 'room_id'"):
        await Notices(over(handle), SERVER, bytes(32)).send(f"@safety:{SERVER}", f"@leo:{SERVER}", "1", "text")


@pytest.mark.parametrize(("status", "refused"), [(200, EnforcerRefused), (500, Denied)])
async def test_a_lock_that_would_have_no_effect_is_refused(status: int, refused: type[EnforcerError]) -> None:
    """Matrix Authentication Service keeps the sessions: Synapse notes the lock, and lets the account go on."""

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET", "nothing is changed"
        if request.url.path.endswith("auth_metadata"):
            return httpx.Response(status, json={"issuer": "https://account.example/"})
        return httpx.Response(200, json={"user_id": f"@safety:{SERVER}", "admin": False, "locked": False})

    with pytest.raises(refused):
        await SynapseEnforcer(over(handle), SERVER, bytes(32)).perform(
            PendingAction("1", outbox.LOCK, f"@leo:{SERVER}", "")
        )


async def test_a_medium_about_which_nothing_is_said() -> None:
    with pytest.raises(EnforcerError, match="lacks 'media_info'"):
        await SynapseEnforcer(over(lambda _: httpx.Response(200, json={})), SERVER, bytes(32)).perform(
            PendingAction("1", outbox.QUARANTINE, f"mxc://{SERVER}/a", "")
        )


@pytest.mark.parametrize("address", ["mxc://../users", "mxc://./a", f"mxc://{SERVER}/../a", f"mxc://{SERVER}/a?x"])
async def test_no_address_leads_to_another_path_of_the_admin_api(address: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was asked for")

    with pytest.raises(EnforcerRefused, match="is not the address of a medium"):
        await SynapseEnforcer(over(handle), SERVER, bytes(32)).perform(
            PendingAction("1", outbox.QUARANTINE, address, "")
        )


async def test_any_of_the_hashes_that_a_sender_named_will_do() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(200, json={"media_info": {"sha256": "00" * 32, "quarantined_by": None}})

    true, false = (base64.b64encode(bytes([byte]) * 32).decode().rstrip("=") for byte in (0, 1))
    act = SynapseEnforcer(over(handle), SERVER, bytes(32)).perform

    with pytest.raises(EnforcerRefused, match="its SHA-256 is another"):
        await act(PendingAction("1", outbox.QUARANTINE, f"mxc://{SERVER}/a", f"{false} x"))
    await act(PendingAction("1", outbox.QUARANTINE, f"mxc://{SERVER}/a", f"{false} {true}"))
    assert asked == ["GET", "GET", "POST"]


def test_the_name_of_a_room_tells_nothing_without_the_secret() -> None:
    one, other = (Notices(over(lambda _: httpx.Response(200)), SERVER, bytes([n]) * 32) for n in (1, 2))
    assert one._alias(f"@leo:{SERVER}") == one._alias(f"@leo:{SERVER}")
    assert len({one._alias(f"@leo:{SERVER}"), one._alias(f"@mia:{SERVER}"), other._alias(f"@leo:{SERVER}")}) == 3


# The token's file


def written(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_token(tmp_path: Path) -> None:
    assert token_in(written(tmp_path, b"syt_abc\n")) == "syt_abc"


@pytest.mark.parametrize(
    ("data", "mode", "said"),
    [
        (b"syt_abc", 0o644, "others can read"),
        (b"syt_abc", 0o640, "others can read"),
        (b"\n", 0o600, "holds no access token"),
        (b"two words", 0o600, "holds no access token"),
        (b"two\nlines", 0o600, "holds no access token"),
        ("schlüssel".encode(), 0o600, "cannot read"),
    ],
)
def test_a_token_that_cannot_be_used(tmp_path: Path, data: bytes, mode: int, said: str) -> None:
    path = written(tmp_path, data, mode)
    settings = Settings(
        name="provider.example",
        data=tmp_path,
        homeservers={SERVER: "http://homeserver.invalid"},
        trust_root=tmp_path / "root",
        enforcer_homeserver=SERVER,
        enforcer_token_file=str(path),
        appeal_address="https://safety.example/appeal/",
    )
    with pytest.raises(SettingsError, match=said) as refused:
        acting(settings)
    assert refused.value.hint
    assert "syt_abc" not in str(refused.value)


def test_no_token_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        token_in(tmp_path / "token")
