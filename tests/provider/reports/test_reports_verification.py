"""What a report proves, and each way of proving what is not so."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reports import LEO, MIA, NOON, SERVER, STAMP_KEY, message, picture, report, restamped, unproven
from tutela.provider.errors import ReportRefused, WrongAttachment
from tutela.provider.reports.verification import AttachmentCheck, StampKeys, verify
from tutela.wire.franking import OPENING_BYTES, FrankedMessage, StampedEvent, commit, stamp, stamp_key_id
from tutela.wire.report import MessageEvidence, Proof

OLD_KEY = b"\x01" * 32
OTHER_KEY = b"\x06" * 32
STAMPS = StampKeys(
    {(SERVER, stamp_key_id(key)): key for key in (STAMP_KEY, OLD_KEY)}
    | {("other.example", stamp_key_id(OTHER_KEY)): OTHER_KEY}
)


def replaced(evidence: MessageEvidence, **changes: Any) -> MessageEvidence:
    return msgspec.structs.replace(evidence, **changes)


def refused(*evidence: MessageEvidence) -> int:
    with pytest.raises(ReportRefused) as caught:
        verify(report(*evidence), STAMPS)
    return caught.value.item


def test_what_was_committed_and_stamped_is_proven() -> None:
    assert verify(report(message(1), message(2, sender=MIA)), STAMPS) == (Proof.PROVEN, Proof.PROVEN)


def test_only_the_chosen_messages_are_revealed() -> None:
    """Each message has an opening of its own: what is not reported stays hidden by its commitment."""
    chosen, kept = message(1, "come to my place"), message(2, "something private")

    revealed = msgspec.json.encode(report(chosen))

    assert verify(report(chosen), STAMPS) == (Proof.PROVEN,)
    assert b"private" not in revealed
    assert kept.opening not in revealed.decode()


def test_a_message_without_commitment_is_the_reporters_word() -> None:
    assert verify(report(unproven(message(1)), message(2)), STAMPS) == (Proof.UNPROVEN, Proof.PROVEN)


def test_a_report_without_messages_needs_no_proof() -> None:
    assert verify(report(text="He wants to meet me after school."), STAMPS) == ()


def test_an_older_key_still_proves() -> None:
    assert verify(report(message(1, key=OLD_KEY)), STAMPS) == (Proof.PROVEN,)


def test_a_message_from_another_homeserver_is_proven_by_when_it_arrived_here() -> None:
    evidence = message(1, sender="@eve:elsewhere.example", received=True)

    assert verify(report(replaced(evidence, sent_at=NOON - 5000)), STAMPS) == (Proof.PROVEN,)


@pytest.mark.parametrize(
    "stamps",
    [
        (),
        message(1, key=b"\x02" * 32).stamps,
        message(1, server="elsewhere.example").stamps,
        message(1, key=OTHER_KEY).stamps,
        message(1, server="other.example").stamps,
    ],
    ids=["none", "unknown key", "of another homeserver", "another's key", "in another's name"],
)
def test_without_a_stamp_of_ours_nothing_is_proven(stamps: tuple[Any, ...]) -> None:
    """A commitment alone can be made by anybody, at any time, and handed on: it proves neither room nor time."""
    assert verify(report(replaced(message(1), stamps=stamps)), STAMPS) == (Proof.UNSTAMPED,)


def test_two_homeservers_may_both_have_stamped() -> None:
    here = message(1)
    there = message(1, server="elsewhere.example", key=b"\x05" * 32)

    assert verify(report(replaced(here, stamps=(*there.stamps, *here.stamps))), STAMPS) == (Proof.PROVEN,)


@pytest.mark.parametrize(
    "forged",
    [
        replaced(message(1), content='{"body":"I will hurt you","msgtype":"m.text"}'),
        replaced(message(1), sender=MIA),
        replaced(message(1), room_id="!other:home.example"),
        replaced(message(1), event_id="$event-2"),
        replaced(message(1), type="m.sticker"),
        replaced(message(1), opening=message(2).opening),
        replaced(message(1), commitment=message(2).commitment),
        replaced(message(1), stamps=message(2).stamps),
        replaced(message(1), sent_at=NOON),
        restamped(message(1), time=NOON),
        restamped(message(1), received=True),
        restamped(message(1), mac="00" * 32),
        restamped(message(1), key=stamp_key_id(OLD_KEY)),
    ],
    ids=[
        "other words",
        "another sender",
        "another room",
        "another event",
        "another type",
        "another opening",
        "another commitment",
        "another message's stamp",
        "another time",
        "stamp with another time",
        "stamp as if from elsewhere",
        "made-up stamp",
        "stamp under another key",
    ],
)
def test_what_claims_proof_and_lies_is_refused(forged: MessageEvidence) -> None:
    assert refused(message(0), forged) == 1


def test_nobody_can_frame_another() -> None:
    """Eve knows an opening that Leo gave her. She commits to the same words in her own name, and gets a stamp for it:
    that says what *she* sent. In Leo's name she has no stamp, in her own none of his."""
    leos = message(1, "meet me")
    eves = message(2, "meet me", sender="@eve:home.example")

    assert refused(replaced(leos, content=eves.content, stamps=eves.stamps)) == 0
    assert refused(replaced(eves, sender=LEO)) == 0
    assert refused(replaced(eves, sender=LEO, commitment=leos.commitment, opening=leos.opening)) == 0


def test_colluders_cannot_invent_a_message() -> None:
    """mimi-protocol#119: members of a group share what there validates a frank. Here whoever sent and whoever reports
    may pool all that they ever saw, and still cannot stamp what was never sent."""
    seen = [message(number, f"word {number}") for number in range(5)]
    invented = FrankedMessage(seen[0].room_id, LEO, "m.room.message", b'{"body":"invented","msgtype":"m.text"}')
    opening = bytes(OPENING_BYTES)
    commitment = commit(invented, opening)
    encoded = {
        "content": invented.content.decode(),
        "commitment": base64.b64encode(commitment).decode(),
        "opening": base64.b64encode(opening).decode(),
    }

    for known in seen:
        assert refused(replaced(known, **encoded)) == 0
        event = StampedEvent(known.event_id, known.room_id, known.sender, commitment)
        # Not even with every value that they saw taken for a key.
        for guess in (known.stamps[0].mac, known.commitment, known.opening):
            material = guess.encode().ljust(32, b"\0")[:32]
            made = stamp(material, SERVER, event, time=known.sent_at, received=False)
            made = msgspec.structs.replace(made, key=stamp_key_id(STAMP_KEY))
            assert refused(replaced(known, **encoded, stamps=(made,))) == 0


def test_a_mauled_proof_is_refused_and_the_rest_can_still_be_reported() -> None:
    """mimi-protocol#90. The receiver's own client finds a mauled commitment at once; a mauled stamp is found here, and
    says which message it was, so that the report goes through without that proof."""
    mauled = restamped(message(2), mac=message(2).stamps[0].mac[::-1])

    assert refused(message(1), mauled) == 1
    assert verify(report(message(1), unproven(mauled)), STAMPS) == (Proof.PROVEN, Proof.UNPROVEN)


@given(st.integers(0, 255), st.integers(0, 31), st.sampled_from(["commitment", "opening"]))
def test_no_changed_byte_passes(mask: int, place: int, field: str) -> None:
    evidence = message(1)
    raw = bytearray(base64.b64decode(getattr(evidence, field)))
    raw[place] ^= mask
    changed = replaced(evidence, **{field: base64.b64encode(bytes(raw)).decode()})
    if mask == 0:
        assert verify(report(changed), STAMPS) == (Proof.PROVEN,)
    else:
        assert refused(changed) == 0


def whole(check: AttachmentCheck, data: bytes, chunk: int = 1000) -> None:
    for start in range(0, len(data), chunk):
        check.update(data[start : start + chunk])
    check.finish()


def test_a_file_is_the_one_that_was_sent() -> None:
    sent = picture(1, bytes(range(256)) * 50)

    assert verify(report(sent.evidence), STAMPS) == (Proof.PROVEN,)
    whole(AttachmentCheck(sent.evidence), sent.data)


@pytest.mark.parametrize(
    "other", [b"another file", b"", bytes(range(256)) * 50 + b"\0"], ids=["other", "none", "longer"]
)
def test_another_file_is_refused(other: bytes) -> None:
    with pytest.raises(WrongAttachment):
        whole(AttachmentCheck(picture(1, bytes(range(256)) * 50).evidence), other)


def test_a_file_sent_under_two_keys_is_one_file() -> None:
    """Invisible salamanders (Dodis, Grubbs, Ristenpart, Woodage, CRYPTO 2018): one ciphertext that opens to two files
    under two keys. The key is in what was committed to, so that only one of them can be reported."""
    sent = picture(1, b"what was sent" * 10)
    content = json.loads(sent.evidence.content)
    content["file"]["key"]["k"] = base64.urlsafe_b64encode(b"\x09" * 32).rstrip(b"=").decode()

    assert refused(replaced(sent.evidence, content=json.dumps(content, sort_keys=True, separators=(",", ":")))) == 0


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "not JSON",
        '{"file":1}',
        '{"file":{"key":{"k":"AAAA"},"iv":"AAAA","hashes":{"sha256":"AAAA"}}}',
        '{"file":{"key":{"k":"é"},"iv":"AAAA","hashes":{}}}',
        "[" * 3000,
    ],
)
def test_a_message_that_names_no_file(content: str) -> None:
    with pytest.raises(WrongAttachment):
        AttachmentCheck(replaced(message(1), content=content))
