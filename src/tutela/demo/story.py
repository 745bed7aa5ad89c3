"""The story, step by step. Each step does something real, checks that what it promises holds, and tells it."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from tutela.demo import pictures
from tutela.demo.approaching import LINES, approach
from tutela.demo.errors import StepFailed, expect
from tutela.demo.reporting import decide, report
from tutela.demo.stage import Person, Stage
from tutela.demo.watching import bytes_of, stored
from tutela.device import Outcome, Reason
from tutela.device.errors import UntrustedAnswer
from tutela.errors import TutelaError
from tutela.integrations.matrix.client import Held, Sent
from tutela.integrations.matrix.timeline import PictureMessage, TextMessage
from tutela.provider.tampered import Lie
from tutela.signals.image import pdq_of_list_item, strip_trailing
from tutela.wire.check import request_bytes, response_bytes

TEXT: Final = "Look what we saw on the school trip!"
ORDINARY: Final = "lake"
LISTED: Final = "fjord"
LISTED_LATER: Final = "forest"
ONE_VOUCH: Final = "island"
EDITS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("half the size", pictures.halved),
    ("recompressed, JPEG quality 30", pictures.recompressed),
    ("cropped by 2 %", pictures.cropped),
)


@dataclass(frozen=True)
class Step:
    """One step: what it is called, why it matters, and what it does; that returns the lines to tell."""

    name: str
    title: str
    why: str
    run: Callable[[Stage], Awaitable[list[str]]]


@dataclass(frozen=True)
class Told:
    """How a step went."""

    name: str
    title: str
    why: str
    held: bool
    milliseconds: int
    lines: list[str]


async def tell(stage: Stage) -> AsyncIterator[Told]:
    """Run the steps in order. One that does not hold is told as such, and ends the story."""
    for step in STEPS:
        start = perf_counter()
        try:
            lines, held = await step.run(stage), True
        except (TutelaError, TimeoutError) as error:
            hint = getattr(error, "hint", None)
            lines, held = [str(error) or "something did not happen in time", *([hint] if hint else [])], False
        yield Told(step.name, step.title, step.why, held, round((perf_counter() - start) * 1000), lines)
        if not held:
            return


async def _agree(stage: Stage) -> list[str]:
    north, south = stage.demo_list.authorities
    listed, once = stage.picture(LISTED), stage.picture(ONE_VOUCH)
    other_copy = pictures.recompressed(listed)
    mine = await asyncio.to_thread(stage.demo_list.vouch, north, [listed, once], created=stage.created)
    theirs = await asyncio.to_thread(stage.demo_list.vouch, south, [other_copy], created=stage.created)
    folder, signatures, entries = await stage.publish()
    manifest = folder.manifest()
    agreed = manifest.lists[0]
    expect(agreed.items == 2, "both copies of the picture that both vouch for are listed, and nothing else")
    apart = mine[0].distance(theirs[0])
    return [
        f"{north.descriptor.name} ({north.descriptor.jurisdiction}) vouches for 2 pictures. "
        f"{south.descriptor.name} ({south.descriptor.jurisdiction}) vouches for its own copy of one of them. "
        f"The hashes of the two copies differ in {apart} of 256 bits: they are the same item. "
        "(Both organisations are invented.)",
        f"Epoch {manifest.epoch}: {agreed.items} hashes listed (the two copies); the other picture is not: one vouch.",
        f"Each authority rebuilt the filter from {entries // signatures} verified evaluations "
        "(proven keyed hashes), then signed: "
        f"{signatures} signatures.",
    ]


async def _meet(stage: Stage) -> list[str]:
    mia, leo = await stage.join("mia"), await stage.join("leo")
    stage.room_id = await stage.room_of(mia, leo)
    expect(mia.client.rooms[stage.room_id].encrypted, "the room is end-to-end encrypted")
    return [
        f"{mia.client.user_id} and {leo.client.user_id} signed in, cross-signed their devices and share a room.",
        "Each device accepted the list only after it had verified both authorities' signatures.",
    ]


async def _ordinary(stage: Stage) -> list[str]:
    mia, leo = stage.people["mia"], stage.people["leo"]
    event_id = await mia.client.send_text(stage.room_id, TEXT)
    received = await leo.wait_for(TextMessage, event_id)
    expect(received.text == TEXT, "the text arrived as it was sent")
    picture = stage.picture(ORDINARY)
    milliseconds, sent = await _timed(mia, stage, picture)
    expect(isinstance(sent, Sent), "an ordinary picture is sent")
    assert isinstance(sent, Sent)
    shown = await leo.wait_for(PictureMessage, sent.event_id)
    expect(shown.shown and shown.data == strip_trailing(picture), "it arrived, byte for byte, and is shown")
    return [
        f"Mia: “{TEXT}”, then a picture of a {ORDINARY}. Leo sees both.",
        f"The picture was checked on Mia's device before it was encrypted ({milliseconds} ms with sending) "
        "and on Leo's after it was decrypted.",
    ]


async def _stop(stage: Stage) -> list[str]:
    mia = stage.people["mia"]
    before = stored(stage.homeserver.database)
    milliseconds, held = await _timed(mia, stage, stage.picture(LISTED))
    _expect_stopped(held, "a listed picture is stopped")
    lines = [f"A listed picture: stopped on Mia's device in {milliseconds} ms."]
    for name, edit in EDITS:
        milliseconds, held = await _timed(mia, stage, edit(stage.picture(LISTED)))
        _expect_stopped(held, f"a listed picture, {name}, is stopped")
        lines.append(f"The same, {name}: stopped in {milliseconds} ms.")
    after = stored(stage.homeserver.database)
    expect(after == before, "nothing was uploaded to the homeserver")
    assert isinstance(held, Held)
    return [
        *lines,
        f"The homeserver stores no more than before: messages: {after['messages']}, files: {after['files']}.",
    ]


async def _one_vouch(stage: Stage) -> list[str]:
    mia, leo = stage.people["mia"], stage.people["leo"]
    _, sent = await _timed(mia, stage, stage.picture(ONE_VOUCH))
    expect(isinstance(sent, Sent), "a picture that only one authority vouches for is not stopped")
    assert isinstance(sent, Sent)
    shown = await leo.wait_for(PictureMessage, sent.event_id)
    expect(shown.shown, "it is shown")
    return ["The picture that only one authority vouched for passes. One organisation alone cannot block anything."]


async def _receive(stage: Stage) -> list[str]:
    mia = stage.people["mia"]
    sam = await stage.join("sam", guarded=False)
    stage.other_room_id = room_id = await stage.room_of(mia, sam)
    sent = await sam.client.send_picture(room_id, stage.picture(LISTED), "holiday.jpg")
    assert isinstance(sent, Sent)
    received = await mia.wait_for(PictureMessage, sent.event_id)
    expect(received.verdict.outcome is Outcome.STOP and received.data is None, "Mia is not shown a listed picture")
    return [
        "Sam's client was modified and checks nothing, so the picture leaves Sam's device: Tutela cannot prevent that.",
        "Mia's device checks what arrives, and hides it behind calm words. Nobody else learns of it.",
    ]


async def _update(stage: Stage) -> list[str]:
    mia = stage.people["mia"]
    picture = stage.picture(LISTED_LATER)
    for one in stage.demo_list.authorities:
        await asyncio.to_thread(stage.demo_list.vouch, one, [picture], created=stage.created)
    folder, _, _ = await stage.publish()
    guard = await stage.fresh_guard("mia-second", mia)
    await guard.update()
    verdict = await guard.check_outgoing(picture)
    await guard.close()
    expect(verdict.outcome is Outcome.STOP and verdict.epoch == 2, "the new epoch's picture is stopped")
    manifest = folder.manifest()
    new = sum(entry.size for entry in manifest.segments if entry.since_epoch == manifest.epoch)
    return [
        f"Both authorities vouch for one more picture; epoch {manifest.epoch} is signed and published.",
        f"A device that has the epoch before downloads {new} bytes of filter.",
    ]


async def _caught(stage: Stage) -> list[str]:
    mia = stage.people["mia"]
    lines = []
    guard = await stage.fresh_guard("mia-third", mia)
    try:
        for lie, says in (
            (Lie.ONE_SIGNATURE, "serves a list that only one authority signed"),
            (Lie.EDITED_POLICY, "serves a policy that nobody signed"),
            (Lie.EXTRA_ENTRY, "adds an entry of its own to the filter"),
        ):
            stage.tampered.lie = lie
            lines.append(f"The provider {says}: refused ({await _refused(guard.update())}).")
        stage.tampered.lie = None
        await guard.update()
        stage.tampered.lie = Lie.OLD_EPOCH
        lines.append(f"It serves an older list: refused ({await _refused(guard.update())}).")
        for lie, says in ((Lie.OTHER_KEY, "uses a key of its own for Mia alone"), (Lie.BAD_PROOF, "forges a proof")):
            stage.tampered.lie = lie
            verdict = await guard.check_outgoing(stage.picture(ORDINARY))
            caught = verdict.outcome is Outcome.UNCHECKED and verdict.reason is Reason.UNTRUSTED
            expect(caught, f"a device notices when the provider {says}")
            lines.append(
                f"It {says}: noticed; the picture counts as unchecked, and the policy says “{verdict.action}”."
            )
    finally:
        stage.tampered.lie = None
        await guard.close()
    _, sent = await _timed(mia, stage, stage.picture(ORDINARY))
    expect(isinstance(sent, Sent), "with an honest provider everything works again")
    return lines


async def _seen(stage: Stage) -> list[str]:
    await stage.watch.catch_up()
    checks = [r for r in stage.records if r.route == "/v1/keys/{key_id}/evaluate" and r.status == 200]
    batch = stage.demo_list.workspace.settings.parameters.batch
    sizes = {(r.bytes_in, r.bytes_out) for r in checks}
    expect(sizes == {(request_bytes(batch), response_bytes(batch))}, "every check has the same size")
    secrets_of_the_story = _secrets(stage)
    folders = (stage.folder / "homeserver", stage.settings.data)
    found = await asyncio.to_thread(bytes_of, *folders)
    hidden = {name for data in found.values() for name, secret in secrets_of_the_story.items() if secret in data}
    known = stage.people["mia"].client.user_id.encode()
    expect(any(known in data for data in found.values()), "the search finds what is there: the account's name")
    expect(not hidden, f"neither the homeserver nor the provider stores {', '.join(hidden)}")
    accounts = Counter((r.account or "nobody").split(":")[0] for r in checks)
    rows = [f"  {r.time[11:19]}  {r.account}  {r.bytes_in} bytes in, {r.bytes_out} out" for r in checks[:3]]
    total = sum(len(data) for data in found.values())
    return [
        f"From the provider's own log: {len(checks)} checks ("
        + ", ".join(f"{n} by {who}" for who, n in sorted(accounts.items()))
        + "). Of each it knows the account, the time and one fixed size, whatever the picture:",
        *rows,
        f"  … and {len(checks) - len(rows)} more like these",
        f"All {len(found)} files that the homeserver and the provider stored ({total / 1e6:.1f} MB) were searched for "
        "the texts, the pictures, their hashes, the verdicts and what the guard said: none is there. (Mia's account "
        "name is, as it must be.)",
    ]


async def _timed(person: Person, stage: Stage, picture: bytes) -> tuple[int, Sent | Held]:
    start = perf_counter()
    person.client.choose_picture(picture)
    done = await person.client.send_picture(stage.room_id, picture, "picture.jpg")
    return round((perf_counter() - start) * 1000), done


def _expect_stopped(done: Sent | Held, promise: str) -> None:
    stopped = isinstance(done, Held) and done.verdict.outcome is Outcome.STOP
    expect(stopped, promise if isinstance(done, Sent) else f"{promise} ({done.verdict.reason}: {done.verdict.detail})")


async def _refused(update: Awaitable[None]) -> str:
    try:
        await update
    except UntrustedAnswer as error:
        cause = error.__cause__
        return cause.code if isinstance(cause, TutelaError) else error.code
    raise StepFailed("a device accepted what the provider had tampered with")


def _secrets(stage: Stage) -> dict[str, bytes]:
    """What must not be found in anything that a server stored."""
    found = {"the text": TEXT.encode(), "a verdict": b'"outcome"', "what the conversation guard said": b"Take a moment"}
    found |= {f"what Sam wrote, “{said}”": said.encode() for said, _ in LINES}
    for name in (ORDINARY, LISTED, ONE_VOUCH, LISTED_LATER):
        picture = stage.picture(name)
        pdq = pdq_of_list_item(picture)
        found[f"the picture “{name}”"] = picture[1000:1064]
        found[f"the hash of “{name}” in hexadecimal"] = pdq.hex.encode()
        found[f"the hash of “{name}”"] = bytes.fromhex(pdq.hex)
    return found


STEPS: Final[tuple[Step, ...]] = tuple(
    itertools.starmap(
        Step,
        (
            (
                "agree",
                "Two organisations agree on a list",
                "No government and no company can put a picture on the list alone.",
                _agree,
            ),
            ("meet", "Mia and Leo start an encrypted conversation", "It is and stays end-to-end encrypted.", _meet),
            (
                "ordinary",
                "Words and pictures pass",
                "What is not listed is nobody's business, and nobody learns of it.",
                _ordinary,
            ),
            (
                "stop",
                "A listed picture is stopped before it leaves the device",
                "The child is protected at once; the provider is not even told whether there was a match.",
                _stop,
            ),
            (
                "one-vouch",
                "One vouch is not enough",
                "The list cannot be turned against anybody by one party.",
                _one_vouch,
            ),
            (
                "receive",
                "A listed picture is hidden from the person it is sent to",
                "A sender with a modified client does not get around the receiver's device.",
                _receive,
            ),
            (
                "nudge",
                "Somebody approaches Mia, and her device speaks to her in time",
                "A child alone with a stranger is not alone: the guard reads on the device, and tells nobody else.",
                approach,
            ),
            ("update", "The list grows by a small delta", "Phones fetch what is new, not the whole list.", _update),
            (
                "caught",
                "A provider that cheats is caught",
                "You need not trust the provider: the device verifies what it is told.",
                _caught,
            ),
            (
                "seen",
                "What the servers saw of all this",
                "Privacy is shown by what is stored, not by what is promised.",
                _seen,
            ),
            (
                "report",
                "Mia reports, and can prove it",
                "Whoever sees abuse is its best witness. Only what she chooses is shown, and only to the provider.",
                report,
            ),
            (
                "decide",
                "Two people decide, and it is carried out",
                "A child is heard by people; nobody is harmed by one person alone, and every act is on record.",
                decide,
            ),
        ),
    )
)
