"""Guard: checks a picture before it is sent and after it arrives, and gives the client a `Verdict`.

A check never raises and never hangs: what goes wrong ends in the outcome *unchecked*, and the last policy that this
device verified says what the client does then. Nobody but the device learns the outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from tutela.device import cover
from tutela.device.client import IS_IT_ONE, ProviderClient, SignInCallback
from tutela.device.clock import Clock, steady
from tutela.device.conversation import ConversationGuard, shipped_reader
from tutela.device.conversation.settings import Limits, Settings, limits_of
from tutela.device.decoder import Decoder
from tutela.device.epochs import Epoch, EpochStore
from tutela.device.errors import (
    DecoderFailed,
    DeviceError,
    ProviderRefused,
    ProviderUnreachable,
    UntrustedAnswer,
)
from tutela.device.profile import Profile
from tutela.device.reports import Reports
from tutela.device.verdict import Direction, Outcome, Reason, Verdict
from tutela.errors import TutelaError
from tutela.lists.errors import ListError
from tutela.matching.errors import MatchingError
from tutela.matching.shield import Hits, PendingCheck, prepare
from tutela.wire.errors import WireError
from tutela.wire.manifest import Action, Actions, TrustRoot
from tutela.wire.submission import ListClass

log = logging.getLogger("tutela.device")

#: What happens to an unchecked picture before any policy was verified on this device.
BEFORE_ANY_POLICY: Final = Actions(outgoing=Action.WARN, incoming=Action.WARN)
#: Checks under way or done, waiting to be asked for.
_CHOSEN: Final = 16
#: How long such a check counts: longer than somebody usually takes to write a line beside the picture and send it, and
#: much less than lists and policies take to change.
_CHOSEN_SECONDS: Final = 600.0
#: A new epoch is looked for at most this often.
_UPDATE_SECONDS: Final = 3600.0

#: The provider's codes for a device whose epoch is outdated.
_OUTDATED: Final = frozenset({"key-retired", "unknown-key", "wrong-batch"})

_REASONS: Final[tuple[tuple[type[Exception], Reason], ...]] = (
    (DecoderFailed, Reason.UNREADABLE),
    (ProviderUnreachable, Reason.UNREACHABLE),
    (ProviderRefused, Reason.REFUSED),
    (UntrustedAnswer, Reason.UNTRUSTED),
    (WireError, Reason.UNTRUSTED),
    (MatchingError, Reason.UNTRUSTED),
    (ListError, Reason.UNTRUSTED),
)


@dataclass(frozen=True)
class _Chosen:
    """A check that started when its picture was chosen, at `since` on the guard's clock."""

    check: asyncio.Task[Verdict]
    since: float


class Guard:
    """The SDK's one object. Open it with `Guard.open`, and close it."""

    def __init__(
        self,
        profile: Profile,
        client: ProviderClient,
        root: TrustRoot,
        *,
        decoder: Decoder | None = None,
        seconds: float = 15.0,
        clock: Clock = steady,
    ) -> None:
        """Prefer `Guard.open`. The guard owns what it is given, and closes it."""
        self._profile = profile
        self._client = client
        self._store = EpochStore(profile, root)
        self.reports = Reports(profile, client)
        """What the user reports on purpose."""
        self._decoder = decoder or Decoder()
        self._seconds = seconds
        self._clock = clock
        self._epoch: Epoch | None = None
        self._updating = asyncio.Lock()
        self._updated_at: float | None = None
        self._no_update = ""
        """Why the last try to find a newer epoch failed."""
        self._conversations: ConversationGuard | None = None
        self._loading = asyncio.Lock()
        self._chosen: OrderedDict[bytes, _Chosen] = OrderedDict()
        self._update: asyncio.Task[None] | None = None
        self._cover: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        profile: Path | Profile,
        *,
        provider: str,
        trust_root: TrustRoot,
        sign_in: SignInCallback,
        key: bytes = b"",
        transport: httpx.AsyncBaseTransport | None = None,
        decoder: Decoder | None = None,
        seconds: float = 15.0,
        update: bool = True,
        clock: Clock = steady,
    ) -> Self:
        """Open a profile and look for a new epoch; without the provider, the last one goes on.

        Args:
            profile: the folder to keep things in (opened with `key`, 32 bytes), or an open profile.
            provider: the provider's address.
            trust_root: whose signatures a manifest needs.
            sign_in: returns a fresh Matrix OpenID token.
            key: the profile's key; the client keeps it where the device keeps secrets.
            transport: for tests, an HTTP transport in place of the network.
            decoder: decodes pictures; by default in a child process.
            seconds: the longest that a check may take.
            update: whether to look for a new epoch now.
            clock: seconds that go on while the device sleeps; what `choose` found counts for some of them.

        Raises:
            DeviceError: the profile cannot be opened, or what it holds does not verify; or `provider` is no address,
                or neither encrypted nor on this machine.
        """
        async with contextlib.AsyncExitStack() as undo:
            opened = undo.enter_context(profile if isinstance(profile, Profile) else Profile(profile, key))
            client = ProviderClient(provider, sign_in, transport=transport, seconds=min(10.0, seconds))
            await undo.enter_async_context(client)
            guard = cls(opened, client, trust_root, decoder=decoder, seconds=seconds, clock=clock)
            guard._epoch = guard._store.load()
            undo.pop_all()
        if update:
            with contextlib.suppress(TutelaError):
                await guard.update()
        guard._cover = asyncio.create_task(guard._cover_checks())
        guard.reports.start()
        return guard

    @property
    def epoch(self) -> Epoch | None:
        """The epoch that this device has accepted."""
        return self._epoch

    async def conversations(self) -> ConversationGuard:
        """Return the conversation guard of this profile, for a client that keeps no profile of its own.

        It is loaded when it is first asked for, which takes about a second.
        """
        async with self._loading:
            if self._conversations is None:
                reader = await asyncio.to_thread(shipped_reader)
                self._conversations = ConversationGuard(self._profile, reader=reader, limits=self.conversation_limits)
            return self._conversations

    def conversation_limits(self, settings: Settings) -> Limits:
        """Return what the accepted epoch's policy says of the conversation guard, for an account with such settings."""
        return limits_of(self._epoch.manifest.policy if self._epoch else None, settings)

    async def update(self) -> None:
        """Fetch the latest epoch, verify it, and use it from now on.

        Raises:
            ProviderUnreachable, ProviderRefused: no new manifest could be had.
            UntrustedAnswer: what came does not verify; the last accepted epoch stays.
        """
        async with self._updating:
            try:
                await self._replace_epoch()
            except TutelaError as error:
                self._no_update = _told(error)
                raise
            self._updated_at = self._clock()

    async def _replace_epoch(self) -> None:
        data = await self._client.manifest()
        try:
            self._epoch = await self._store.replace(data, lambda e: self._client.segment(e.digest, e.size))
        except WireError as error:
            raise UntrustedAnswer(f"the provider's manifest was refused: {error}", hint=IS_IT_ONE) from error
        except ListError as error:
            raise UntrustedAnswer(f"the provider's manifest was refused: {error}", hint=error.hint) from error
        except OSError as error:
            raise DeviceError(f"the new epoch could not be stored: {error.strerror}") from error

    def choose(self, picture: bytes) -> None:
        """Start checking a picture that the user has just chosen, long before it is sent, if ever it is.

        So the time of a check is the time of a choice, and a check that no upload follows says less.
        """
        name = hashlib.sha256(picture).digest()
        self._forget_chosen()
        if name not in self._chosen:
            check = asyncio.create_task(self._verdict(picture, Direction.OUTGOING))
            self._chosen[name] = _Chosen(check, self._clock())
            self._forget_chosen()

    async def check_outgoing(self, picture: bytes) -> Verdict:
        """Return the verdict on a picture about to be sent; the check made by `choose` is used if there was one.

        A verdict is used once, and for ten minutes: the list may have changed by the time that the picture is sent.
        """
        self._forget_chosen()
        chosen = self._chosen.pop(hashlib.sha256(picture).digest(), None)
        return await (chosen.check if chosen else self._verdict(picture, Direction.OUTGOING))

    async def check_incoming(self, picture: bytes) -> Verdict:
        """Return the verdict on a picture just received and decrypted."""
        return await self._verdict(picture, Direction.INCOMING)

    async def cover_check(self) -> None:
        """Make one check of a random picture, which nobody else can tell from a check of a real one.

        Raises:
            DeviceError: there is no epoch yet, or the provider cannot be reached or believed.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await self._look_for_update()
                asked = await self._ask_in_vain()
        except TimeoutError as error:
            raise ProviderUnreachable("the cover check took too long") from error
        if asked is None:
            raise DeviceError("no epoch has been accepted yet")

    async def close(self) -> None:
        """End what is under way and close the profile."""
        chosen = [chosen.check for chosen in self._chosen.values()]
        tasks = [task for task in (self._cover, self._update, *chosen) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._chosen.clear()
        if self._conversations is not None:
            self._conversations.close()
        await self.reports.close()
        await self._decoder.close()
        await self._client.close()
        self._profile.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _forget_chosen(self) -> None:
        """Drop the checks that were made too long ago to count, and the oldest of too many."""
        latest = self._clock() - _CHOSEN_SECONDS
        while self._chosen:
            oldest = next(iter(self._chosen.values()))
            if len(self._chosen) <= _CHOSEN and oldest.since >= latest:
                return
            self._chosen.popitem(last=False)
            oldest.check.cancel()

    async def _verdict(self, picture: bytes, direction: Direction) -> Verdict:
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._check(picture)
        except TimeoutError:
            return self._unchecked(direction, Reason.UNREACHABLE, "the check took too long")
        except Exception as error:  # the messenger must go on, whatever happened here
            reason = next((r for kind, r in _REASONS if isinstance(error, kind)), Reason.INTERNAL)
            if reason is Reason.INTERNAL:
                log.exception("a check failed")
            return self._unchecked(direction, reason, _told(error))
        if found is None:
            detail = "no epoch has been accepted on this device yet"
            detail = f"{detail}: {self._no_update}" if self._no_update else detail
            return self._unchecked(direction, Reason.NO_LIST, detail)
        return _found(*found, direction)

    async def _check(self, picture: bytes) -> tuple[Hits, Epoch] | None:
        await self._look_for_update()
        if self._epoch is None:
            return None
        try:
            views = await self._decoder.margins(picture)
        except DecoderFailed:
            # Somebody who watches the traffic sees a check all the same.
            with contextlib.suppress(TutelaError):
                await self._ask_in_vain()
            raise
        return await self._ask(views)

    async def _ask_in_vain(self) -> tuple[Hits, Epoch] | None:
        """Have a random picture checked, as `_ask` does; the answer says nothing."""
        views: list[NDArray[np.float64]] = []
        with contextlib.suppress(DecoderFailed):  # without a decoder there is still the request
            views = await self._decoder.stand_in()
        return await self._ask(views)

    async def _ask(self, views: Sequence[NDArray[np.float64]]) -> tuple[Hits, Epoch] | None:
        """Have the margins of a picture's views checked, or nothing at all; `None` while there is no epoch."""
        for last_try in (False, True):
            epoch = self._epoch
            if epoch is None:
                return None
            public = bytes.fromhex(epoch.key.public)
            pending = await asyncio.to_thread(prepare, views, epoch.manifest.parameters, public)
            try:
                return await self._evaluated(pending, epoch), epoch
            except ProviderRefused as refused:
                if last_try or refused.problem not in _OUTDATED:
                    raise
            # The key was rotated while this device slept: one update, then once more.
            await self.update()
        raise AssertionError("unreachable")  # pragma: no cover

    async def _evaluated(self, pending: PendingCheck, epoch: Epoch) -> Hits:
        batch = epoch.manifest.parameters.batch
        response = await self._client.evaluate(epoch.key.id, pending.request, batch=batch)
        return await asyncio.to_thread(pending.finish, response, epoch.layers)

    async def _look_for_update(self) -> None:
        """Look for a new epoch if it is time; while one is held, in the background, for a check must not wait."""
        now = self._clock()
        if self._update is None or self._update.done():
            if self._updated_at is not None and now - self._updated_at < _UPDATE_SECONDS:
                return
            self._updated_at = now
            self._update = asyncio.create_task(self._try_update())
        if self._epoch is None:
            await asyncio.shield(self._update)

    async def _try_update(self) -> None:
        try:
            await self.update()
        except Exception as error:  # the messenger goes on with what it has
            log.info("no new epoch: %s", error)
            if self._epoch is None:
                self._updated_at = None

    async def _cover_checks(self) -> None:
        while True:
            per_day = self._epoch.manifest.policy.cover_checks_per_day if self._epoch else 0
            delay = cover.next_delay(per_day, secrets.token_bytes)
            if delay is None or delay > _UPDATE_SECONDS:
                # Exponential waits have no memory: waiting a while and drawing anew is the same process.
                await asyncio.sleep(_UPDATE_SECONDS)
                continue
            await asyncio.sleep(delay)
            try:
                await self.cover_check()
            except Exception as error:  # the next one must come, whatever happened to this one
                log.info("a cover check failed: %s", error)

    def _unchecked(self, direction: Direction, reason: Reason, detail: str) -> Verdict:
        last = self._store.last
        actions = last.policy.unchecked if last else BEFORE_ANY_POLICY
        epoch = last.epoch if last else None
        return Verdict(Outcome.UNCHECKED, _action(actions, direction), direction, reason, epoch=epoch, detail=detail)


def _told(error: Exception) -> str:
    hint = error.hint if isinstance(error, TutelaError) and error.hint else ""
    return f"{error}. {hint}".strip()


def _found(hits: Hits, epoch: Epoch, direction: Direction) -> Verdict:
    listed = hits.listed()
    number = epoch.manifest.epoch
    if listed is None:
        return Verdict(Outcome.ALLOW, Action.ALLOW, direction, Reason.NOT_LISTED, epoch=number)
    policy = epoch.manifest.policy
    action = _action(policy.agreed if listed is ListClass.AGREED else policy.attested, direction)
    return Verdict(Outcome(action.value), action, direction, Reason.LISTED, listed, number)


def _action(actions: Actions, direction: Direction) -> Action:
    return actions.outgoing if direction is Direction.OUTGOING else actions.incoming
