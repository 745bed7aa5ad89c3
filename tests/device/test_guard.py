"""Guard against a real provider application in this process, honest and lying."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.epochs import MadeEpoch, make_keys, make_signer
from harness.pictures import ATTESTED, LISTED, ORDINARY, POLICY, epoch_of, jpeg
from harness.provider import SERVER, Stage, hold, staged
from tutela.device import Direction, Guard, Outcome, Reason, load_trust_root
from tutela.device import guard as guard_module
from tutela.device.address import check_address
from tutela.device.client import ProviderClient
from tutela.device.clock import Clock, steady
from tutela.device.decoder import Decoder
from tutela.device.errors import DamagedProfile, DeviceError, ProviderRefused, ProviderUnreachable, UntrustedAnswer
from tutela.device.profile import Profile
from tutela.lists.keys import KeyRing
from tutela.matching.shield import PendingCheck
from tutela.provider.server import running
from tutela.provider.tampered import Lie, Tampered
from tutela.signals.image import SHIPPED, pdq_of_list_item
from tutela.signals.image.child import Answer
from tutela.wire import document
from tutela.wire.check import request_bytes, response_bytes
from tutela.wire.manifest import Action, Policy, TrustRoot
from tutela.wire.session import SignIn

KEY = bytes(range(32))
STRANGERS = TrustRoot(
    provider="provider.example",
    authorities=(make_signer("x", "FR").authority, make_signer("y", "JP").authority),
    signatures=2,
    jurisdictions=2,
    minimum_epoch=0,
)


@dataclass
class Device:
    """A device, its provider, and the lie that the provider tells."""

    stage: Stage
    tampered: Tampered
    folder: Path
    signed_in: list[str] = field(default_factory=list)
    tokens_work: bool = True

    async def sign_in(self) -> SignIn:
        token = f"device-token-{len(self.signed_in)}"
        self.signed_in.append(token)
        if self.tokens_work:
            self.stage.homeserver.tokens[token] = f"@mia:{SERVER}"
        return SignIn(matrix_server_name=SERVER, access_token=token)

    @asynccontextmanager
    async def guard(
        self, *, update: bool = True, seconds: float = 15.0, url: str = "", clock: Clock = steady
    ) -> AsyncIterator[Guard]:
        opened = await Guard.open(
            self.folder,
            key=KEY,
            provider=url or "https://provider.invalid",
            trust_root=self.stage.epoch.trust_root,
            sign_in=self.sign_in,
            transport=None if url else httpx.ASGITransport(self.tampered),
            update=update,
            seconds=seconds,
            clock=clock,
        )
        async with opened:
            yield opened

    @property
    def checks(self) -> list[tuple[int, int]]:
        return [(r.bytes_in, r.bytes_out) for r in self.stage.records if "evaluate" in (r.route or "")]


@asynccontextmanager
async def device_of(folder: Path, epoch: MadeEpoch) -> AsyncIterator[Device]:
    (folder / "provider").mkdir()
    async with staged(folder / "provider", epoch) as stage:
        yield Device(stage, Tampered(stage.app), folder / "device")


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    epoch = epoch_of(LISTED, attested=[pdq_of_list_item(ATTESTED).hex])
    async with device_of(tmp_path, epoch) as made:
        yield made


# What it finds


async def test_listed_attested_and_ordinary_pictures_both_ways(device: Device):
    async with device.guard() as guard:
        for check, direction in (
            (guard.check_outgoing, Direction.OUTGOING),
            (guard.check_incoming, Direction.INCOMING),
        ):
            stop, warn, allow = await check(LISTED), await check(ATTESTED), await check(ORDINARY)
            assert [v.outcome for v in (stop, warn, allow)] == [Outcome.STOP, Outcome.WARN, Outcome.ALLOW]
            assert [v.action.value for v in (stop, warn, allow)] == ["stop", "warn", "allow"]
            assert {v.direction for v in (stop, warn, allow)} == {direction}
            assert {v.epoch for v in (stop, warn, allow)} == {1}
            assert (stop.list_class, warn.list_class, allow.list_class) == ("agreed", "attested", None)


@pytest.mark.parametrize("edit", ["half", "recompressed", "cropped", "grey"])
async def test_edited_copies_are_found(device: Device, edit: str):
    with Image.open(io.BytesIO(LISTED)) as image:
        edited = {
            "half": lambda: jpeg(np.asarray(image.resize((256, 256)))),
            "recompressed": lambda: jpeg(np.asarray(image), quality=30),
            "cropped": lambda: jpeg(np.asarray(image.crop((5, 5, 507, 507)))),
            "grey": lambda: jpeg(np.asarray(image.convert("L"))),
        }[edit]()
    async with device.guard() as guard:
        assert (await guard.check_outgoing(edited)).outcome is Outcome.STOP


async def test_what_one_authority_vouches_for_is_not_listed(tmp_path: Path):
    epoch = epoch_of(single=[pdq_of_list_item(LISTED).hex])
    async with device_of(tmp_path, epoch) as device, device.guard() as guard:
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.ALLOW


# What the provider sees


async def test_every_check_looks_the_same_to_the_provider(device: Device):
    async with device.guard() as guard:
        for picture in (LISTED, ORDINARY, ATTESTED, b"no picture at all", LISTED[:4000]):
            await guard.check_outgoing(picture)
            await guard.check_incoming(picture)
        await guard.cover_check()
        assert guard.epoch is not None
        batch = guard.epoch.manifest.parameters.batch
    assert device.checks == [(request_bytes(batch), response_bytes(batch))] * 11
    assert {r.account for r in device.stage.records if "evaluate" in (r.route or "")} == {f"@mia:{SERVER}"}


KINDS: dict[str, Callable[[Guard], Awaitable[object]]] = {
    "listed": lambda guard: guard.check_outgoing(LISTED),
    "attested": lambda guard: guard.check_outgoing(ATTESTED),
    "ordinary": lambda guard: guard.check_outgoing(ORDINARY),
    "received": lambda guard: guard.check_incoming(LISTED),
    "unreadable": lambda guard: guard.check_outgoing(b"no picture at all"),
    "broken off": lambda guard: guard.check_outgoing(LISTED[:4000]),
    "empty": lambda guard: guard.check_outgoing(b""),
    "cover": lambda guard: guard.cover_check(),
}


async def test_every_kind_of_check_comes_with_the_same_requests_in_the_same_order(
    device: Device, monkeypatch: pytest.MonkeyPatch
):
    """After hours of silence a check first looks for a new epoch and signs in anew, whatever it is a check of."""
    seen = {}
    for kind, check in KINDS.items():
        async with device.guard() as guard:
            with monkeypatch.context() as patch:
                patch.setattr("tutela.device.guard._UPDATE_SECONDS", -1.0)
                device.stage.records.clear()
                await check(guard)
            seen[kind] = [(r.method, r.route, r.status, r.bytes_in, r.bytes_out) for r in device.stage.records]
    assert [request[0] for request in seen["listed"]] == ["GET", "POST", "POST"]
    # A sign-in's answer names the account and a random session: the same number of bytes all the same.
    assert all(requests == seen["listed"] for requests in seen.values()), seen


async def test_every_kind_of_check_decodes_a_picture_or_takes_as_long_and_prepares_its_views(
    device: Device, monkeypatch: pytest.MonkeyPatch
):
    """So the time between a request that comes before a check and the check itself does not tell the kinds apart."""
    work: list[tuple[str, int]] = []
    ask, stand_in, prepare = Decoder._ask, Decoder.stand_in, guard_module.prepare

    async def asked(decoder: Decoder, picture: bytes) -> tuple[Answer, float]:
        answer, seconds = await ask(decoder, picture)
        work.append(("decoded", len(answer.views)))
        return answer, seconds

    async def stood_in(decoder: Decoder) -> list[NDArray[np.float64]]:
        margins = await stand_in(decoder)
        work.append(("decoded", len(margins)))
        return margins

    def prepared(views: Sequence[NDArray[np.float64]], *rest: Any) -> PendingCheck:
        work.append(("prepared", len(views)))
        return prepare(views, *rest)

    monkeypatch.setattr(Decoder, "_ask", asked)
    monkeypatch.setattr(Decoder, "stand_in", stood_in)
    monkeypatch.setattr(guard_module, "prepare", prepared)
    async with device.guard() as guard:
        for kind, check in KINDS.items():
            work.clear()
            await check(guard)
            assert work[-2:] == [("decoded", len(SHIPPED)), ("prepared", len(SHIPPED))], kind


async def test_without_a_decoder_there_are_cover_checks_all_the_same(device: Device, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> tuple[Answer, float]:
        raise EOFError

    monkeypatch.setattr(Decoder, "_ask", broken)
    async with device.guard() as guard:
        await guard.cover_check()
        assert (await guard.check_outgoing(LISTED)).reason is Reason.UNREADABLE
    assert len(device.checks) == 2


async def test_cover_checks_come_by_themselves_and_outlast_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    policy = Policy(**{f: getattr(POLICY, f) for f in POLICY.__struct_fields__} | {"cover_checks_per_day": 6})
    monkeypatch.setattr("tutela.device.cover.next_delay", lambda per_day, random: 0.01 if per_day == 6 else None)
    async with device_of(tmp_path, epoch_of(LISTED, policy=policy)) as device:
        device.tokens_work = False
        async with device.guard(), asyncio.timeout(30):
            while len(device.signed_in) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            device.tokens_work = True
            while len(device.checks) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_client_that_cannot_sign_in_leaves_pictures_unchecked(device: Device, monkeypatch: pytest.MonkeyPatch):
    async def broken() -> SignIn:
        raise RuntimeError("the homeserver is away")

    monkeypatch.setattr(device, "sign_in", broken)
    async with device.guard() as guard:
        verdict = await guard.check_outgoing(LISTED)
        assert (verdict.outcome, verdict.reason) == (Outcome.UNCHECKED, Reason.UNREACHABLE)


async def test_a_check_starts_when_a_picture_is_chosen_and_is_used_once(device: Device):
    async with device.guard() as guard:
        guard.choose(LISTED)
        guard.choose(LISTED)
        async with asyncio.timeout(30):
            while not device.checks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP
        assert len(device.checks) == 1
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP
        assert len(device.checks) == 2


async def test_a_check_made_too_long_ago_is_made_anew(device: Device, monkeypatch: pytest.MonkeyPatch):
    async with device.guard() as guard:
        guard.choose(LISTED)
        first = next(iter(guard._chosen.values())).check
        assert (await first).outcome is Outcome.STOP
        monkeypatch.setattr(guard_module, "_CHOSEN_SECONDS", -1.0)
        guard.choose(LISTED)
        assert next(iter(guard._chosen.values()), None) is None  # and what would be too old at once is not even kept
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP
        monkeypatch.undo()
        guard.choose(LISTED)
        assert next(iter(guard._chosen.values())).check is not first


async def test_a_check_does_not_outlive_a_sleep_of_the_device(device: Device):
    """The event loop's clock stops in suspend: what was checked in the evening would still count in the morning."""
    now = [1000.0]
    async with device.guard(clock=lambda: now[0]) as guard:
        guard.choose(LISTED)
        await next(iter(guard._chosen.values())).check
        now[0] += 599
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP
        assert len(device.checks) == 1
        guard.choose(LISTED)
        await next(iter(guard._chosen.values())).check
        now[0] += 601
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP
        assert len(device.checks) == 3


def test_the_clock_goes_on_in_sleep(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tutela.device.clock.time.clock_gettime", float)
    assert steady() == getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


async def test_choosing_many_pictures_is_bounded(device: Device):
    async with device.guard() as guard:
        for number in range(40):
            guard.choose(bytes([number]))
        assert len(guard._chosen) == 16


async def test_one_sign_in_serves_many_checks_and_an_ended_session_is_renewed(device: Device):
    async with device.guard() as guard:
        await asyncio.gather(*(guard.check_outgoing(ORDINARY) for _ in range(3)))
        assert len(device.signed_in) == 1
        device.stage.clock.forward(seconds=device.stage.settings.session_seconds + 1)
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP
        assert len(device.signed_in) == 2


# What goes wrong


@pytest.mark.parametrize("direction", Direction)
async def test_without_a_provider_the_last_verified_policy_decides(device: Device, direction: Direction):
    async with device.guard():
        pass
    device.tampered.lie = Lie.SERVER_ERROR
    async with device.guard() as guard:
        check = guard.check_outgoing if direction is Direction.OUTGOING else guard.check_incoming
        verdict = await check(LISTED)
        assert (verdict.outcome, verdict.reason) == (Outcome.UNCHECKED, Reason.UNREACHABLE)
        assert verdict.action is (Action.WARN if direction is Direction.OUTGOING else Action.ALLOW)


async def test_before_any_epoch_nothing_is_allowed_silently(device: Device):
    device.tampered.lie = Lie.SERVER_ERROR
    async with device.guard() as guard:
        verdict = await guard.check_outgoing(ORDINARY)
        assert (verdict.outcome, verdict.action, verdict.reason) == (Outcome.UNCHECKED, Action.WARN, Reason.NO_LIST)
        assert "accepted on this device yet: the provider answered with status 5" in verdict.detail
        with pytest.raises(DeviceError):
            await guard.cover_check()
        device.tampered.lie = None
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


async def test_before_any_epoch_the_log_says_why_there_is_none(device: Device, monkeypatch: pytest.MonkeyPatch):
    async with device.guard(url="http://127.0.0.1:9") as guard:
        detail = (await guard.check_outgoing(ORDINARY)).detail
        assert "yet: the provider did not answer: nothing listens at its address" in detail
        assert detail.endswith("Check its address and the connection.")

    async def page(_: ProviderClient) -> bytes:
        return b"<html>"

    monkeypatch.setattr(ProviderClient, "manifest", page)
    async with device.guard() as guard:
        detail = (await guard.check_outgoing(ORDINARY)).detail
        assert "the provider's manifest was refused" in detail
        assert "a Tutela provider?" in detail


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (Lie.OTHER_KEY, Reason.UNTRUSTED),
        (Lie.BAD_PROOF, Reason.UNTRUSTED),
        (Lie.GARBAGE, Reason.UNTRUSTED),
        (Lie.SERVER_ERROR, Reason.UNREACHABLE),
    ],
)
async def test_a_lie_about_a_check_makes_it_unchecked_and_the_truth_works_again(
    device: Device, lie: Lie, reason: Reason
):
    async with device.guard() as guard:
        device.tampered.lie = lie
        for picture in (LISTED, ORDINARY):
            verdict = await guard.check_outgoing(picture)
            assert (verdict.outcome, verdict.reason, verdict.action) == (Outcome.UNCHECKED, reason, Action.WARN)
            assert verdict.detail
        device.tampered.lie = None
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


@pytest.mark.parametrize(
    "lie",
    [
        Lie.TRUNCATED_FILTER,
        Lie.EXTRA_ENTRY,
        Lie.OTHER_FILTER,
        Lie.EDITED_POLICY,
        Lie.ONE_SIGNATURE,
        Lie.GARBAGE,
    ],
)
async def test_a_lie_about_an_epoch_is_refused_and_leaves_no_trace(device: Device, lie: Lie):
    device.tampered.lie = lie
    async with device.guard(update=False) as guard:
        with pytest.raises(UntrustedAnswer):
            await guard.update()
        assert guard.epoch is None
        device.tampered.lie = None
        await guard.update()
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


async def test_an_older_epoch_is_refused_also_after_a_restart(device: Device):
    second = epoch_of(LISTED, ORDINARY, previous=device.stage.epoch, created="2026-01-06T06:00:00Z")
    device.stage.provider.publish(second.envelope, second.segments)
    async with device.guard() as guard:
        assert guard.epoch is not None
        assert guard.epoch.manifest.epoch == 2
    device.tampered.lie = Lie.OLD_EPOCH
    async with device.guard() as guard:
        with pytest.raises(UntrustedAnswer, match="older"):
            await guard.update()
        device.tampered.lie = None
        assert (await guard.check_outgoing(ORDINARY)).outcome is Outcome.STOP


async def test_a_new_epoch_downloads_only_what_is_new(device: Device):
    async with device.guard() as guard:
        second = epoch_of(
            LISTED, ORDINARY, attested=[pdq_of_list_item(ATTESTED).hex],
            previous=device.stage.epoch, created="2026-01-06T06:00:00Z",
        )  # fmt: skip
        device.stage.provider.publish(second.envelope, second.segments)
        before = len([r for r in device.stage.records if "segments" in (r.route or "")])
        (device.folder / "segments" / ".killed.seg.0123abcd.part").write_bytes(b"half")
        await guard.update()
        fetched = len([r for r in device.stage.records if "segments" in (r.route or "")]) - before
        new = {s.digest for s in second.manifest.segments} - {s.digest for s in device.stage.epoch.manifest.segments}
        assert fetched == len(new)
        assert {p.stem for p in (device.folder / "segments").iterdir()} == {s.digest for s in second.manifest.segments}


def rotated(device: Device, *, retires: str) -> MadeEpoch:
    """Publish an epoch under a new key; the one before answers until `retires`."""
    ring = KeyRing(device.stage.epoch.keys).rotated(make_keys("second"), retires=retires)
    second = epoch_of(LISTED, key_ring=ring, previous=device.stage.epoch, created="2026-01-06T06:00:00Z")
    hold(device.stage.settings, ring.current)
    device.stage.provider.publish(second.envelope, second.segments)
    return second


async def test_both_keys_answer_while_they_overlap(device: Device):
    async with device.guard() as guard:
        rotated(device, retires="2026-02-06T06:00:00Z")
        verdict = await guard.check_outgoing(LISTED)
        assert (verdict.outcome, verdict.epoch) == (Outcome.STOP, 1)
        await guard.update()
        verdict = await guard.check_outgoing(LISTED)
        assert (verdict.outcome, verdict.epoch) == (Outcome.STOP, 2)


async def test_after_an_emergency_rotation_a_device_that_slept_follows_at_its_next_check(device: Device):
    async with device.guard() as guard:
        assert (await guard.check_outgoing(LISTED)).epoch == 1
        rotated(device, retires="2026-01-06T06:00:00Z")
        device.stage.clock.forward(seconds=3 * 86_400)
        verdict = await guard.check_outgoing(LISTED)
        assert (verdict.outcome, verdict.epoch) == (Outcome.STOP, 2)


async def test_a_slow_provider_costs_no_more_than_the_time_allowed(device: Device):
    async with device.guard(seconds=0.5) as guard:
        device.tampered.lie = Lie.SLOW
        verdict = await guard.check_outgoing(LISTED)
        assert (verdict.outcome, verdict.reason) == (Outcome.UNCHECKED, Reason.UNREACHABLE)


async def test_a_slow_update_does_not_hold_up_checks(device: Device, monkeypatch: pytest.MonkeyPatch):
    async with device.guard(seconds=5) as guard:
        monkeypatch.setattr("tutela.device.guard._UPDATE_SECONDS", -1.0)
        device.tampered.lie, device.tampered.only = Lie.SLOW, "/v1/manifest"
        for _ in range(3):
            verdict = await guard.check_outgoing(LISTED)
            assert (verdict.outcome, verdict.epoch) == (Outcome.STOP, 1)


async def test_a_sign_in_that_never_ends_is_given_up(device: Device, monkeypatch: pytest.MonkeyPatch):
    async def stuck() -> SignIn:
        await asyncio.Event().wait()
        raise AssertionError

    real = device.sign_in
    monkeypatch.setattr(device, "sign_in", stuck)
    async with device.guard(seconds=1) as guard:
        with pytest.raises(ProviderUnreachable):
            await guard.cover_check()
        guard._client._sign_in = real
        guard._seconds = guard._client._seconds = 15
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:8470", "no address"),
        ("", "no address"),
        ("https://", "no address"),
        ("ftp://provider.example", "no address"),
        ("https://provider.example:port", "no address"),
        ("http://provider.example", "not encrypted"),
        ("http://10.0.0.1:8470", "not encrypted"),
        ("http://127.0.0.1@provider.example", "not encrypted"),
        ("http://localhost.provider.example", "not encrypted"),
        ("HTTP://[2001:db8::1]", "not encrypted"),
    ],
)
async def test_where_no_check_may_go_is_refused_at_once(tmp_path: Path, address: str, why: str):
    root = epoch_of(LISTED).trust_root

    async def nobody() -> SignIn:
        raise AssertionError

    with pytest.raises(DeviceError, match=why) as refused:
        await Guard.open(tmp_path, key=KEY, provider=address, trust_root=root, sign_in=nobody)
    assert "https://…" in (refused.value.hint or "")
    Profile(tmp_path, KEY).close()


@pytest.mark.parametrize(
    "address", ["https://provider.example/below", "http://127.0.0.1:8470", "http://localhost", "http://[::1]:8470"]
)
def test_where_checks_may_go(address: str):
    check_address(address, "provider")


def test_a_trust_root_from_its_file(tmp_path: Path):
    path = tmp_path / "root.json"
    with pytest.raises(DeviceError, match="cannot be read"):
        load_trust_root(path)
    path.write_bytes(b"{}")
    with pytest.raises(DeviceError, match="no trust root"):
        load_trust_root(path)
    path.write_bytes(document.encode(STRANGERS))
    assert load_trust_root(path) == STRANGERS


async def test_an_answer_that_does_not_end_is_cut_off(device: Device):
    wrapped: list[Tampered] = []

    def wrap(app: object) -> Tampered:
        wrapped.append(Tampered(app, lie=Lie.HUGE))  # type: ignore[arg-type]
        return wrapped[0]

    async with running(device.stage.settings, wrap=wrap) as url, device.guard(url=url, update=False) as guard:
        with pytest.raises(UntrustedAnswer, match="longer"):
            await guard.update()


async def test_what_arrives_never_unfolds(tmp_path: Path):
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        return httpx.Response(200, stream=httpx.ByteStream(bomb), headers={"content-encoding": "gzip"})

    bomb = gzip.compress(bytes(50 << 20))
    async with client_of(httpx.MockTransport(answer)) as client:
        assert await client.manifest() == bomb
    assert asked == ["identity"]


async def test_a_download_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch):
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.01)
                yield b"."

    monkeypatch.setattr("tutela.device.client._SLOWEST", 1e9)
    async with client_of(httpx.MockTransport(lambda _: httpx.Response(200, stream=Drip())), seconds=0.3) as client:
        with pytest.raises(ProviderUnreachable, match="took too long"):
            await client.segment("0" * 64, 1 << 20)


async def test_a_long_hint_is_cut(tmp_path: Path):
    problem = {"code": "busy", "message": "m" * 5000, "hint": "h" * 5000}
    async with client_of(
        httpx.MockTransport(lambda _: httpx.Response(429, stream=httpx.ByteStream(json.dumps(problem).encode())))
    ) as client:
        with pytest.raises(ProviderRefused) as refused:
            await client.manifest()
    assert len(refused.value.message) < 300
    assert len(refused.value.hint or "") == 200


def client_of(transport: httpx.MockTransport, seconds: float = 10.0) -> ProviderClient:
    async def nobody() -> SignIn:
        raise AssertionError

    return ProviderClient("https://provider.invalid", nobody, transport=transport, seconds=seconds)


async def test_no_provider_at_all(device: Device):
    async with device.guard(url="http://127.0.0.1:9", update=False) as guard:
        with pytest.raises(ProviderUnreachable):
            await guard.update()
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.UNCHECKED


async def test_too_many_checks_and_forged_tokens_are_unchecked(tmp_path: Path):
    policy = Policy(**{f: getattr(POLICY, f) for f in POLICY.__struct_fields__} | {"checks_per_hour": 2})
    async with device_of(tmp_path, epoch_of(LISTED, policy=policy)) as device:
        async with device.guard() as guard:
            reasons = [(await guard.check_outgoing(LISTED)).reason for _ in range(3)]
            assert reasons == [Reason.LISTED, Reason.LISTED, Reason.REFUSED]
        device.tokens_work = False
        async with device.guard() as guard:
            assert (await guard.check_outgoing(LISTED)).reason is Reason.REFUSED


@pytest.mark.parametrize("picture", [b"", b"text", LISTED[:3000], b"\x89PNG\r\n\x1a\n" + bytes(100)])
async def test_a_picture_that_cannot_be_opened_is_unchecked_never_listed_nor_allowed(device: Device, picture: bytes):
    async with device.guard() as guard:
        verdict = await guard.check_outgoing(picture)
        assert (verdict.outcome, verdict.reason, verdict.action) == (Outcome.UNCHECKED, Reason.UNREADABLE, Action.WARN)
        assert verdict.list_class is None


async def test_a_bug_never_reaches_the_messenger(device: Device, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Decoder, "margins", broken)
    async with device.guard() as guard:
        verdict = await guard.check_outgoing(LISTED)
        assert (verdict.outcome, verdict.reason) == (Outcome.UNCHECKED, Reason.INTERNAL)


async def test_a_damaged_profile_heals_by_updating(device: Device):
    async with device.guard():
        pass
    for path in (device.folder / "segments").iterdir():
        path.write_bytes(b"damaged")
    device.tampered.lie = Lie.SERVER_ERROR
    async with device.guard() as guard:
        assert guard.epoch is None
        assert (await guard.check_outgoing(ORDINARY)).outcome is Outcome.UNCHECKED
    device.tampered.lie = None
    async with device.guard() as guard:
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


async def test_a_full_disk_keeps_the_epoch_before(device: Device, monkeypatch: pytest.MonkeyPatch):
    async with device.guard() as guard:
        second = epoch_of(LISTED, ORDINARY, previous=device.stage.epoch, created="2026-01-06T06:00:00Z")
        device.stage.provider.publish(second.envelope, second.segments)

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("tutela.device.epochs.durable.replace", full)
            with pytest.raises(DeviceError, match="No space"):
                await guard.update()
        assert guard.epoch is not None
        assert guard.epoch.manifest.epoch == 1
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


async def test_damaged_filters_do_not_reopen_the_way_back(device: Device):
    second = epoch_of(LISTED, ORDINARY, previous=device.stage.epoch, created="2026-01-06T06:00:00Z")
    device.stage.provider.publish(second.envelope, second.segments)
    async with device.guard():
        pass
    for path in (device.folder / "segments").iterdir():
        path.write_bytes(b"damaged")
    device.tampered.lie = Lie.OLD_EPOCH
    async with device.guard(update=False) as guard:
        with pytest.raises(UntrustedAnswer, match="older"):
            await guard.update()
        verdict = await guard.check_incoming(ORDINARY)
        assert (verdict.outcome, verdict.action) == (Outcome.UNCHECKED, Action.ALLOW)  # as the verified policy says


async def test_a_record_that_cannot_be_read_is_told_and_the_profile_let_go(device: Device):
    async with device.guard():
        pass
    (device.folder / "epoch.sealed").unlink()
    (device.folder / "epoch.sealed").mkdir()
    with pytest.raises(DeviceError, match="'epoch' cannot be read") as told:
        async with device.guard():
            pass
    assert "epoch.sealed" in (told.value.hint or "")
    (device.folder / "epoch.sealed").rmdir()
    async with device.guard() as guard:
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


async def test_a_linked_folder_is_refused_and_nothing_in_it_deleted(device: Device, tmp_path: Path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "somebodys.seg").write_bytes(b"theirs")
    device.folder.mkdir()
    async with device.guard(update=False) as guard:
        (device.folder / "segments").symlink_to(foreign)
        with pytest.raises(DamagedProfile, match="is a link"):
            await guard.update()
    with pytest.raises(DamagedProfile, match="is a link"):
        async with device.guard():
            pass
    assert [path.name for path in foreign.iterdir()] == ["somebodys.seg"]
    (device.folder / "segments").unlink()
    async with device.guard() as guard:
        assert (await guard.check_outgoing(LISTED)).outcome is Outcome.STOP


async def test_a_record_of_another_trust_root_is_refused(device: Device):
    async with device.guard():
        pass
    device.stage.epoch = replace(device.stage.epoch, trust_root=STRANGERS)
    with pytest.raises(DamagedProfile):
        async with device.guard():
            pass
