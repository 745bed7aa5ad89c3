"""Decisions on a real Synapse: what is done to accounts and media, what people are told, and that all of it is once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from harness.enforcement import PlainClient, Service, new_id
from harness.matrix import Network
from harness.provider import Stage, staged
from harness.reports import MIA, message, report
from tutela.integrations.matrix.homeserver import Homeserver
from tutela.integrations.matrix.notices import ACTION_FIELD
from tutela.provider.errors import EnforcerAway, EnforcerError, EnforcerRefused
from tutela.provider.review import audit, cases, outbox
from tutela.provider.review.acting import PendingAction, Worker
from tutela.provider.review.decisions import Proposal
from tutela.provider.review.people import Person as Reviewer
from tutela.provider.review.people import Role
from tutela.provider.review.policy import ActionKind
from tutela.wire.document import encode
from tutela.wire.report import ReportReason

pytestmark = pytest.mark.slow

TEXT = "A decision about your account"


@pytest.fixture(scope="module")
async def service(homeserver: Homeserver) -> AsyncIterator[Service]:
    opened = await Service.open(homeserver)
    yield opened
    await opened.close()


@pytest.fixture
async def leo(service: Service) -> AsyncIterator[PlainClient]:
    client = await service.user("leo")
    yield client
    await client.http.aclose()


async def write(client: PlainClient, room: str) -> httpx.Response:
    return await client.ask(
        "PUT", f"rooms/{room}/send/m.room.message/{new_id()}", json={"msgtype": "m.text", "body": "x"}
    )


async def own_room(client: PlainClient) -> str:
    return str((await client.ask("POST", "createRoom", json={})).json()["room_id"])


# What people are told


async def test_somebody_is_told(service: Service, leo: PlainClient):
    action = new_id()

    await service.perform(outbox.STATEMENT, leo.user_id, TEXT, action)

    (event,) = await leo.notices()
    assert event["sender"] == service.client.user_id
    assert event["type"] == "m.room.message"
    assert event["content"] == {"msgtype": "m.text", "body": TEXT, ACTION_FIELD: action}


async def test_a_room_for_two_in_which_one_speaks(service: Service, leo: PlainClient):
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT)
    (room,) = await leo.rooms()
    eve = await service.user("eve")

    members = (await leo.ask("GET", f"rooms/{room}/joined_members")).json()["joined"]
    assert set(members) == {service.client.user_id, leo.user_id}
    assert (await write(leo, room)).status_code == 403
    assert (await leo.ask("POST", f"rooms/{room}/invite", json={"user_id": eve.user_id})).status_code == 403
    assert (await eve.ask("POST", f"join/{room}", json={})).status_code == 403
    state = {(e["type"], e["state_key"]): e["content"] for e in (await leo.ask("GET", f"rooms/{room}/state")).json()}
    assert state["m.room.create", ""]["m.federate"] is False
    assert "Messages about your account" in state["m.room.name", ""]["name"]
    assert ("m.room.encryption", "") not in state
    alias = state["m.room.canonical_alias", ""]["alias"]
    assert leo.person.name not in alias, "nobody can ask whether somebody was told something"
    await eve.http.aclose()


async def test_everything_about_somebody_is_told_in_one_room(service: Service, leo: PlainClient):
    await service.perform(outbox.STATEMENT, leo.user_id, "one")
    await service.perform(outbox.CORRECTION, leo.user_id, "two")

    assert await leo.texts() == ["one", "two"]
    assert len(await leo.rooms()) == 1


async def test_it_is_told_once_however_often_it_is_done(service: Service, leo: PlainClient):
    action = new_id()
    for text in ("as it was worded first", "as it is worded now", "and later"):
        await service.perform(outbox.STATEMENT, leo.user_id, text, action)

    assert await leo.texts() == ["as it was worded first"]


async def test_it_is_told_once_by_five_at_once(service: Service, leo: PlainClient):
    action = new_id()
    doing = [service.perform(outbox.STATEMENT, leo.user_id, TEXT, action) for _ in range(5)]
    for result in await asyncio.gather(*doing, return_exceptions=True):
        assert result is None or isinstance(result, EnforcerError)  # one that came too early tries again
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT, action)

    assert await leo.texts() == [TEXT]
    assert len(await leo.rooms()) == 1


async def test_it_is_told_once_with_another_token(service: Service, leo: PlainClient):
    """The homeserver tells transactions apart by the session: a search of the room does not."""
    action = new_id()
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT, action)
    other = PlainClient(service.homeserver, service.client.person)
    token = await other.log_in()
    await other.http.aclose()

    again = service.over(httpx.AsyncHTTPTransport(), token)
    await again.perform(PendingAction(action, outbox.STATEMENT, leo.user_id, TEXT))

    assert await leo.texts() == [TEXT]


async def test_a_room_with_more_messages_than_fit_on_a_page(
    service: Service, leo: PlainClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tutela.integrations.matrix.notices._PAGE", "2")
    actions = [new_id() for _ in range(6)]
    for action in actions + actions:
        await service.perform(outbox.STATEMENT, leo.user_id, action, action)

    assert await leo.texts() == actions


async def test_whoever_left_is_told_all_the_same(service: Service, leo: PlainClient):
    await service.perform(outbox.STATEMENT, leo.user_id, "one")
    (room,) = await leo.rooms()
    await leo.ask("POST", f"rooms/{room}/leave", json={})
    await leo.ask("POST", f"rooms/{room}/forget", json={})

    await service.perform(outbox.CORRECTION, leo.user_id, "two")

    assert await leo.texts() == ["one", "two"]
    assert await leo.rooms() == [room]


async def test_whoever_is_suspended_and_left_finds_it_later(service: Service, leo: PlainClient):
    await service.perform(outbox.STATEMENT, leo.user_id, "one")
    await service.perform(outbox.SUSPEND, leo.user_id)
    (room,) = await leo.rooms()
    assert (await leo.ask("POST", f"rooms/{room}/leave", json={})).status_code == 200

    with pytest.raises(EnforcerRefused, match="the message waits there"):
        await service.perform(outbox.STATEMENT, leo.user_id, "two")

    await service.perform(outbox.UNSUSPEND, leo.user_id)
    await service.perform(outbox.CORRECTION, leo.user_id, "three")
    assert await leo.texts() == ["one", "two", "three"]


async def test_whoever_is_locked_reads_it_later(service: Service, leo: PlainClient):
    await service.perform(outbox.LOCK, leo.user_id)
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT)
    await service.perform(outbox.UNLOCK, leo.user_id)

    assert await leo.texts() == [TEXT]


async def test_whoever_ignores_the_service_account_finds_it_when_they_stop(service: Service, leo: PlainClient):
    """As docs/decisions/0016 says: the homeserver keeps it from them until then."""
    ignored = f"user/{leo.user_id}/account_data/m.ignored_user_list"
    await leo.ask("PUT", ignored, json={"ignored_users": {service.client.user_id: {}}})
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT)
    assert await leo.texts() == []

    await leo.ask("PUT", ignored, json={"ignored_users": {}})

    assert await leo.texts() == [TEXT]


async def test_the_longest_statement_fits_into_one_message(service: Service, leo: PlainClient):
    longest = "\N{GRINNING FACE}" * 4000 + "\x01" * 4000

    await service.perform(outbox.STATEMENT, leo.user_id, longest)

    assert await leo.texts() == [longest]


async def test_a_closed_account_cannot_be_told(service: Service, leo: PlainClient):
    await service.api.request("POST", f"/_synapse/admin/v1/deactivate/{leo.user_id}", {})

    with pytest.raises(EnforcerRefused, match="is closed"):
        await service.perform(outbox.STATEMENT, leo.user_id, TEXT)


# Accounts


async def test_lock_and_unlock(service: Service, leo: PlainClient):
    for _ in range(2):
        await service.perform(outbox.LOCK, leo.user_id)
        locked = await leo.ask("GET", "sync")
        assert (locked.status_code, locked.json()["errcode"]) == (401, "M_USER_LOCKED")
    for _ in range(2):
        await service.perform(outbox.UNLOCK, leo.user_id)
        assert (await leo.ask("GET", "sync")).status_code == 200, "the same session goes on"


async def test_suspend_and_take_it_back(service: Service, leo: PlainClient):
    room = await own_room(leo)
    await service.perform(outbox.STATEMENT, leo.user_id, TEXT)
    for _ in range(2):
        await service.perform(outbox.SUSPEND, leo.user_id)
        refused = await write(leo, room)
        assert (refused.status_code, refused.json()["errcode"]) == (403, "M_USER_SUSPENDED")
    assert await leo.texts() == [TEXT], "they can read"
    assert (await leo.ask("POST", f"rooms/{room}/leave", json={})).status_code == 200

    for _ in range(2):
        await service.perform(outbox.UNSUSPEND, leo.user_id)
        assert (await write(leo, await own_room(leo))).status_code == 200


@pytest.mark.parametrize("kind", [outbox.STATEMENT, outbox.LOCK, outbox.SUSPEND, outbox.UNLOCK, outbox.CORRECTION])
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("@ann:elsewhere.example", "account of elsewhere.example"),
        ("@nobody:tutela.localhost", "there is no account"),
        ("nobody", "account of no homeserver"),
        ("@a/../b:tutela.localhost", "there is no account"),
    ],
    ids=["remote", "unknown", "no account", "another path"],
)
async def test_whom_nothing_can_be_done_to(service: Service, kind: str, target: str, said: str):
    with pytest.raises(EnforcerRefused, match=said):
        await service.perform(kind, target, TEXT)


@pytest.mark.parametrize("kind", [outbox.STATEMENT, outbox.LOCK, outbox.SUSPEND])
async def test_no_admin_and_not_itself(service: Service, kind: str):
    admin = await Service.open(service.homeserver)
    for target in (service.client.user_id, admin.client.user_id):
        with pytest.raises(EnforcerRefused, match="nothing is done to it from here"):
            await service.perform(kind, target, TEXT)
        record = await service.record(target)
        assert (record["locked"], record["suspended"]) == (False, False)
    assert await admin.client.notices() == [], "nor are they told that something was done"
    await admin.close()


async def test_what_was_done_to_somebody_who_became_an_admin_can_be_taken_back(service: Service, leo: PlainClient):
    await service.perform(outbox.LOCK, leo.user_id)
    await service.api.request("PUT", f"/_synapse/admin/v2/users/{leo.user_id}", {"admin": True})

    await service.perform(outbox.UNLOCK, leo.user_id)

    assert (await leo.ask("GET", "sync")).status_code == 200


# Media


@dataclass(frozen=True)
class Medium:
    """A file at the homeserver: its address, and its SHA-256 as messages write it."""

    url: str
    digest: str


async def upload(client: PlainClient) -> Medium:
    data = new_id().encode()
    answer = await client.http.post("/_matrix/media/v3/upload", content=data)
    digest = base64.b64encode(sha256(data).digest()).decode().rstrip("=")
    return Medium(str(answer.raise_for_status().json()["content_uri"]), digest)


async def download(client: PlainClient, medium: Medium) -> int:
    path = medium.url.removeprefix("mxc://")
    return (await client.http.get(f"/_matrix/client/v1/media/download/{path}")).status_code


async def test_quarantine_and_take_it_back(service: Service, leo: PlainClient):
    medium = await upload(leo)
    assert await download(leo, medium) == 200
    for _ in range(2):
        await service.perform(outbox.QUARANTINE, medium.url, medium.digest)
        assert await download(leo, medium) == 404
    for _ in range(2):
        await service.perform(outbox.UNQUARANTINE, medium.url)
        assert await download(leo, medium) == 200


async def test_what_somebody_else_quarantined_is_theirs(service: Service, leo: PlainClient):
    admin, medium = await Service.open(service.homeserver), await upload(leo)
    await admin.perform(outbox.QUARANTINE, medium.url, medium.digest)

    await service.perform(outbox.QUARANTINE, medium.url, medium.digest)
    with pytest.raises(EnforcerRefused, match=f"quarantined by {admin.client.user_id}"):
        await service.perform(outbox.UNQUARANTINE, medium.url)

    assert await download(leo, medium) == 404
    await admin.perform(outbox.UNQUARANTINE, medium.url)
    assert await download(leo, medium) == 200
    await admin.close()


async def test_what_is_protected_from_quarantine(service: Service, leo: PlainClient):
    medium = await upload(leo)
    await service.api.request("POST", f"/_synapse/admin/v1/media/protect/{medium.url.rpartition('/')[2]}", {})

    with pytest.raises(EnforcerRefused, match="protected"):
        await service.perform(outbox.QUARANTINE, medium.url, medium.digest)


@pytest.mark.parametrize("digest", ["", "AAAA", "no base64!", base64.b64encode(bytes(32)).decode()])
async def test_another_file_than_was_sent_stays(service: Service, leo: PlainClient, digest: str):
    """A message can name the address of somebody else's file."""
    medium = await upload(leo)

    with pytest.raises(EnforcerRefused, match="is not, or not known to be, the file that was sent"):
        await service.perform(outbox.QUARANTINE, medium.url, digest)

    assert await download(leo, medium) == 200


@pytest.mark.parametrize("kind", [outbox.QUARANTINE, outbox.UNQUARANTINE])
@pytest.mark.parametrize(
    ("medium", "said"),
    [
        ("mxc://tutela.localhost/nothing", "no copy"),
        ("mxc://elsewhere.example/nothing", "no copy"),
        ("mxc://tutela.localhost/../users", "not the address"),
        ("https://tutela.localhost/a", "not the address"),
        ("mxc://tutela.localhost/a?b", "not the address"),
        ("mxc://tutela.localhost/", "not the address"),
    ],
)
async def test_what_is_no_medium_here(service: Service, kind: str, medium: str, said: str):
    with pytest.raises(EnforcerRefused, match=said):
        await service.perform(kind, medium)


# A homeserver that does not do as it is told


async def test_a_token_that_is_not_known_is_no_final_word(service: Service, leo: PlainClient):
    forged = service.over(httpx.AsyncHTTPTransport(), "syt_forged")
    with pytest.raises(EnforcerError, match="does not know the service account's token") as refused:
        await forged.perform(PendingAction(new_id(), outbox.LOCK, leo.user_id, ""))
    assert not isinstance(refused.value, EnforcerRefused | EnforcerAway)
    assert "syt_forged" not in str(refused.value)


async def test_a_service_account_without_rights_is_no_final_word(homeserver: Homeserver, leo: PlainClient):
    powerless = await Service.open(homeserver, admin=False)
    for kind, target in ((outbox.LOCK, leo.user_id), (outbox.QUARANTINE, "mxc://tutela.localhost/a")):
        with pytest.raises(EnforcerError, match="not a server admin") as refused:
            await powerless.perform(kind, target)
        assert not isinstance(refused.value, EnforcerRefused | EnforcerAway)
    await powerless.close()


async def test_down_and_back(service: Service, leo: PlainClient):
    network, action = Network(), new_id()
    network.down = True
    enforcer = service.over(network)
    with pytest.raises(EnforcerAway, match="cannot be reached"):
        await enforcer.perform(PendingAction(action, outbox.STATEMENT, leo.user_id, TEXT))

    network.down = False
    await enforcer.perform(PendingAction(action, outbox.STATEMENT, leo.user_id, TEXT))

    assert await leo.texts() == [TEXT]


# Decided, and done


ADA, BOB = (Reviewer(name, name.title(), Role.REVIEWER, "Home") for name in ("ada", "bob"))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


class Review:
    """A case about somebody, decided by two, and workers that carry it out."""

    def __init__(self, stage: Stage, service: Service) -> None:
        self.stage = stage
        self.decisions = stage.provider.decisions
        self.workers = [
            Worker(
                stage.provider.database,
                stage.clock,
                self.decisions.policy,
                self.decisions,
                service.enforcer,
                "https://safety.example/appeal/",
                bytes(32),
            )
            for _ in range(2)
        ]

    def decide(self, about: str, *actions: ActionKind, rule: str, medium: Medium | None = None) -> str:
        file = {"url": medium.url, "hashes": {"sha256": medium.digest}} if medium else {}
        content = {"msgtype": "m.image", "body": "picture.jpg", "file": file} if medium else None
        evidence = message(1, sender=about, content=content)
        made = report(evidence, about=about, reason=ReportReason.SAW_ABUSE)
        self.stage.provider.reports.take(MIA, encode(made))
        proposed = self.decisions.propose(
            ADA, 1, self.version, Proposal(actions, rule, "You know why.", media=(medium.url,) if medium else ())
        )
        if proposed.waiting:
            self.decisions.second(BOB, proposed.id, self.version)
        return proposed.id

    def undo(self, decision: str) -> None:
        undoing = self.decisions.undo(ADA, decision, self.version, "That was wrong.")
        if undoing.waiting:
            self.decisions.second(BOB, undoing.id, self.version)

    @property
    def version(self) -> int:
        with self.stage.provider.database.reading() as connection:
            return cases.load(connection, 1).version

    async def work(self) -> None:
        """Both workers at once, until nothing is left."""
        while any(await asyncio.gather(*(worker.run_once() for worker in self.workers))):
            pass

    def logged(self) -> list[str]:
        with self.stage.provider.database.reading() as connection:
            entries = [logged.entry for logged in audit.of_case(connection, 1)]
        return [f"{entry.event} {entry.action or ''}".strip() for entry in entries]


async def test_they_are_told_before_they_are_locked(stage: Stage, service: Service, leo: PlainClient):
    review = Review(stage, service)
    decision = review.decide(leo.user_id, ActionKind.LOCK, rule="threats-and-extortion")

    assert await review.workers[0].run_once()
    (text,) = await leo.texts()
    assert "Your account is being locked" in text
    assert "https://safety.example/appeal/" in text
    assert await review.workers[0].run_once()
    assert (await leo.ask("GET", "sync")).json()["errcode"] == "M_USER_LOCKED"

    token = text.split("https://safety.example/appeal/")[1].split()[0]
    review.decisions.appeal(token, "My brother had my phone.")
    review.undo(decision)
    await review.work()
    assert len(await leo.texts()) == 2
    assert f"Decision {decision} about your account has been taken back" in (await leo.texts())[1]


async def test_two_workers_at_once(stage: Stage, service: Service, leo: PlainClient):
    review = Review(stage, service)
    medium = await upload(leo)
    actions = (ActionKind.QUARANTINE_MEDIUM, ActionKind.SUSPEND)
    decision = review.decide(leo.user_id, *actions, rule="abuse-material", medium=medium)

    await review.work()

    assert len(await leo.texts()) == 1
    assert (await service.record(leo.user_id))["suspended"] is True
    assert await download(leo, medium) == 404
    review.undo(decision)
    await review.work()
    assert len(await leo.texts()) == 2
    assert (await service.record(leo.user_id))["suspended"] is False
    assert await download(leo, medium) == 200
    done = [entry for entry in review.logged() if entry.startswith("carried-out")]
    assert sorted(done) == sorted(
        f"carried-out {kind}"
        for kind in ("statement", "quarantine", "suspend", "unquarantine", "unsuspend", "correction")
    )
    assert done[0] == "carried-out statement"


async def test_what_can_never_be_done_is_on_record(stage: Stage, service: Service, caplog: pytest.LogCaptureFixture):
    review = Review(stage, service)
    review.decide(service.client.user_id, ActionKind.SUSPEND, rule="abuse-material")

    await review.work()

    assert review.logged()[-2:] == ["could-not-be-carried-out statement", "could-not-be-carried-out suspend"]
    assert [record.levelname for record in caplog.records if "done to it from here" in record.message] == ["ERROR"] * 2
    caplog.clear()  # it was foreseen
