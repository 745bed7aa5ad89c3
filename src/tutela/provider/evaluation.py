"""The check itself: a batch of blinded elements times the secret key, with a proof.

It sees elements that are uniformly random to it. It keeps none of them: not in a table, not in a log, not in an
error. Every batch has the published size, and so has every answer.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tutela.matching import voprf
from tutela.provider.allowance import Allowances
from tutela.provider.epochs import Epochs
from tutela.provider.errors import Busy, WrongBatch
from tutela.provider.keys import KeyStore
from tutela.wire.check import CheckRequest, CheckResponse, request_bytes


@dataclass(frozen=True)
class Admission:
    """What was decided about a check before its body was read."""

    account: str
    key_id: str
    batch: int
    per_hour: int

    @property
    def body_bytes(self) -> int:
        """The size that the body must have."""
        return request_bytes(self.batch)


class Evaluator:
    """Evaluates checks on threads of its own, so that the event loop never waits for arithmetic."""

    def __init__(
        self,
        epochs: Epochs,
        allowances: Allowances,
        keys: KeyStore,
        *,
        random: voprf.RandomBytes,
        threads: int,
        queue: int,
    ) -> None:
        """Evaluate at most `threads` checks at once, with at most `queue` more waiting."""
        self._epochs = epochs
        self._allowances = allowances
        self._keys = keys
        self._random = random
        self._room = threads + queue
        self._under_way = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tutela-evaluate")

    def admit(self, account: str, key_id: str) -> Admission:
        """Decide whether a check with this key may be read.

        Raises:
            NothingPublished, UnknownKey, KeyRetired: there is no such key to check with.
        """
        self._epochs.check_key(key_id)
        manifest = self._epochs.newest().manifest
        return Admission(account, key_id, manifest.parameters.batch, manifest.policy.checks_per_hour)

    async def evaluate(self, admission: Admission, body: bytes) -> bytes:
        """Return the encoded answer to an admitted check.

        Raises:
            Busy: too many checks wait.
            RateLimited: the account's allowance is used up.
            WrongBatch, InvalidElement: the body is not a batch of this size.
        """
        if self._under_way >= self._room:
            raise Busy("too many checks at once", hint="Try again in a moment.", retry_after=1)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, admission, body)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Let what is under way finish."""
        self._threads.shutdown(wait=True)

    def _answer(self, admission: Admission, body: bytes) -> bytes:
        if len(body) != admission.body_bytes:
            raise wrong_batch(admission.batch)
        request = CheckRequest.decode(body, batch=admission.batch)
        # Paid before the arithmetic, also for what turns out to be no element: work is what is limited.
        self._allowances.take(admission.account, admission.per_hour)
        evaluated, proof = voprf.blind_evaluate(
            self._keys.load(admission.key_id), request.elements, random=self._random
        )
        return CheckResponse(tuple(evaluated), proof).encode()


def wrong_batch(batch: int) -> WrongBatch:
    """Return the error for a body of another size than every check has."""
    return WrongBatch(
        f"a check has exactly {batch} elements and {request_bytes(batch)} bytes",
        hint="Fetch /v1/manifest: the size is published there.",
    )
