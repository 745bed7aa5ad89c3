"""Builds and audits an epoch of N items, and prints times, sizes and what a year of weekly epochs costs a device.

python benchmarks/lists.py                    100,000 items, one process
python benchmarks/lists.py --items 10000 --workers 2
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from harness.epochs import CREATED, SIGNERS, EpochInMemory
from tutela.lists import segments, submission
from tutela.lists.acceptance import accept
from tutela.lists.agreement import listed
from tutela.lists.audit import Held, audit
from tutela.lists.epoch import Settings, build
from tutela.lists.keys import KeyRing
from tutela.lists.submission import Chain
from tutela.matching import voprf
from tutela.matching.shield import scheme_of
from tutela.wire import envelope
from tutela.wire.envelope import Envelope
from tutela.wire.manifest import MANIFEST_TYPE, TrustRoot
from tutela.wire.segment import Segment
from tutela.wire.submission import Item, ListClass

SUBMISSION = 100_000


@contextmanager
def timed(label: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{label:<52} {time.perf_counter() - started:8.2f} s")


def submissions(items: list[str], provider: str) -> dict[str, tuple[Envelope, ...]]:
    """Both authorities vouch for everything, in submissions of up to 100,000."""
    signed = {}
    for signer in SIGNERS:
        chain = Chain(signer.authority, provider)
        sealed = []
        for start in range(0, len(items), SUBMISSION):
            vouched = [Item(pdq=pdq, quality=90) for pdq in items[start : start + SUBMISSION]]
            one = submission.seal(chain.next(created=CREATED, vouched=vouched), signer.key)
            chain = submission.replay(chain, [one])
            sealed.append(one)
        signed[signer.authority.id] = tuple(sealed)
    return signed


def year(items: int, weekly: float, withdrawals: int, bytes_per_item: float) -> str:
    """What a device downloads in 52 weekly epochs, beside the whole list each week."""
    current = {f"{i:064x}" for i in range(items)}
    layers: tuple[segments.Layer, ...] = ()
    downloaded = whole = most = 0
    grown = items
    for week in range(53):
        layers = segments.plan(layers, {ListClass.AGREED: current}, epoch=week + 1, key="0" * 16, merge_factor=4)
        if week:
            downloaded += sum(len(one.items) for one in layers if one.since_epoch == week + 1)
            whole += len(current)
        most = max(most, len(layers))
        arrived = round(items * weekly)
        current |= {f"{i:064x}" for i in range(grown, grown + arrived)}
        grown += arrived
        for i in range(withdrawals):
            current.discard(f"{int.from_bytes(hashlib.sha256(b'%d %d' % (week, i)).digest()[:6]) % items:064x}")
    megabytes = bytes_per_item / 1e6
    return (
        f"{downloaded * megabytes:8.1f} MB, whole lists {whole * megabytes:8.1f} MB "
        f"({downloaded / whole:6.1%}), at most {most} layers"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    items = [secrets.token_hex(32) for _ in range(options.items)]
    settings = Settings(provider="benchmark.example")
    with timed(f"sign {2 * options.items:,} vouches"):
        signed = submissions(items, settings.provider)
    with timed("verify the submissions"):
        empty = [Chain(one.authority, settings.provider) for one in SIGNERS]
        chains = [submission.replay(one, signed[one.authority.id]) for one in empty]
    with timed("agree on what is listed"):
        listed(chains, settings.agreement, scheme_of(settings.parameters))
    keys = KeyRing(voprf.key_pair(voprf.random_scalar()))
    with timed(f"build the epoch, {options.workers} process(es)"):
        epoch = build(settings, chains, keys, created=CREATED, previous=None, workers=options.workers)
    files = EpochInMemory(
        epoch.lists,
        {one.entry.digest: one.segment for one in epoch.built},
        {one.entry.digest: one.evaluation for one in epoch.built},
    )
    authorities = tuple(one.authority for one in SIGNERS)
    with timed(f"audit it, {options.workers} process(es)"):
        found = audit(epoch.payload, files, Held(settings, authorities, signed, None), workers=options.workers)
    sealed = envelope.seal(MANIFEST_TYPE, epoch.payload, *(one.key for one in SIGNERS))
    root = TrustRoot(
        provider=settings.provider, authorities=authorities, signatures=2, jurisdictions=2, minimum_epoch=0
    )
    with timed("accept it, on a device"):
        accept(sealed, root, last=None)
    segment_bytes = sum(one.entry.size for one in epoch.built)
    entries = sum(Segment.decode(one.segment).entries for one in epoch.built)
    print(f"{'layers':<52} {len(epoch.built):8,}")
    print(f"{'band entries, verified by proof':<52} {found.entries_verified:8,}")
    print(f"{'segments, together':<52} {segment_bytes:8,} bytes")
    print(f"{'a band entry':<52} {segment_bytes / entries:8.2f} bytes")
    print(f"{'evaluations, for auditors':<52} {sum(len(one.evaluation) for one in epoch.built):8,} bytes")
    print(f"{'submissions':<52} {sum(len(envelope.encode(e)) for s in signed.values() for e in s):8,} bytes")
    print(f"{'manifest':<52} {len(epoch.payload):8,} bytes")
    print(f"{'peak memory':<52} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MiB")
    print("\nA device's downloads in a year of weekly epochs:")
    per_item = segment_bytes / options.items
    for weekly, withdrawals in ((0.005, 0), (0.001, 0), (0.005, 1), (0.005, 5)):
        label = f"  +{weekly:.1%} and {withdrawals} withdrawals of old items a week"
        print(f"{label:<52} {year(options.items, weekly, withdrawals, per_item)}")


if __name__ == "__main__":
    main()
