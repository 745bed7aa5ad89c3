"""The parts of a provider, put together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx

from tutela.matching.voprf import RandomBytes
from tutela.provider import retention
from tutela.provider.allowance import Allowances
from tutela.provider.clock import Clock, system_clock
from tutela.provider.database import Database
from tutela.provider.epochs import Epochs
from tutela.provider.errors import SettingsError
from tutela.provider.evaluation import Evaluator
from tutela.provider.keys import KeyStore
from tutela.provider.openid import OpenIdVerifier
from tutela.provider.publishing import Collection, KeySource, Publication, Publisher
from tutela.provider.reports import stamp_keys
from tutela.provider.reports.attachments import AttachmentFiles
from tutela.provider.reports.intake import Reports
from tutela.provider.review import policy
from tutela.provider.review.decisions import Decisions
from tutela.provider.segments import SegmentFiles
from tutela.provider.sessions import Sessions
from tutela.provider.settings import Settings
from tutela.provider.status import Status, status
from tutela.wire import document, limits
from tutela.wire.envelope import Envelope
from tutela.wire.errors import WireError
from tutela.wire.manifest import TrustRoot

_TRUST_ROOT: Final = "`tutela list trust-root --out FILE` writes one; `trust_root` in the settings names it."
_AS_OWNER: Final = "Run this as the user who owns it: sudo -u USER tutela provider …"


@dataclass(frozen=True)
class Provider:
    """One provider, open on its data. Close it."""

    settings: Settings
    clock: Clock
    database: Database
    keys: KeyStore
    epochs: Epochs
    sessions: Sessions
    openid: OpenIdVerifier
    evaluator: Evaluator
    publisher: Publisher
    reports: Reports
    decisions: Decisions

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = system_clock,
        random: RandomBytes = secrets.token_bytes,
        transport: httpx.AsyncBaseTransport | None = None,
        busy_seconds: float = 5.0,
    ) -> Self:
        """Open the data folder, bringing the database's tables up to date; homeservers are asked over `transport`.

        Raises:
            SettingsError: there is no such folder, or the database's address is wrong.
            StorageUnavailable: the database cannot be used.
        """
        try:
            there = settings.data.is_dir()
        except OSError as error:
            raise SettingsError(f"cannot use the folder {settings.data}: {error.strerror}", hint=_AS_OWNER) from error
        if not there:
            raise SettingsError(f"there is no folder {settings.data}", hint="Make it with `tutela provider init`.")
        database = Database(settings.database_url, busy_seconds=busy_seconds)
        files = SegmentFiles(settings.segments)
        keys = KeyStore(settings.keys)
        epochs = Epochs(database, files, clock)
        rules = policy.load(Path(settings.review_policy) if settings.review_policy else None)
        opened = cls(
            settings=settings,
            clock=clock,
            database=database,
            keys=keys,
            epochs=epochs,
            sessions=Sessions(
                database,
                clock,
                random,
                settings.session_seconds,
                settings.sessions_per_account,
                settings.spent_token_seconds,
            ),
            openid=OpenIdVerifier.over(
                # No environment: a proxy variable must not be able to redirect tokens.
                transport or httpx.AsyncHTTPTransport(trust_env=False),
                settings.homeservers,
                seconds=settings.homeserver_seconds,
            ),
            evaluator=Evaluator(
                epochs,
                Allowances(database, clock),
                keys,
                random=random,
                threads=settings.evaluation_threads,
                queue=settings.evaluation_queue,
            ),
            publisher=Publisher(database, files, keys, epochs, clock),
            reports=Reports(
                database,
                AttachmentFiles(settings.attachments),
                clock,
                random,
                rules,
                stamp_keys.load(settings.stamp_keys, settings.homeservers),
            ),
            decisions=Decisions(database, clock, random, rules),
        )
        try:
            database.migrate()
        except BaseException:
            opened.close()
            raise
        return opened

    def publish(
        self, envelope: Envelope, segments: Mapping[str, bytes], secrets: KeySource | None = None
    ) -> Publication:
        """Publish an epoch, judged by the provider's own trust root; see `publishing.Publisher.publish`."""
        return self.publisher.publish(envelope, segments, trust_root(self.settings), secrets)

    def collect(self, *, retired_keys: bool = False) -> Collection:
        """Remove what is no longer needed; see `publishing.Publisher.collect`."""
        return self.publisher.collect(self.settings.kept_epochs, retired_keys=retired_keys)

    def status(self) -> Status:
        """Return what an operator sees at a glance."""
        return status(self.settings.name, self.database, self.epochs, self.keys, self.clock)

    def forget(self) -> int:
        """Erase what is known of accounts and serves nothing any more."""
        return retention.forget(self.database, self.clock())

    def close(self) -> None:
        """Let checks under way finish, and close the database."""
        self.evaluator.close()
        self.database.close()


def trust_root(settings: Settings) -> TrustRoot:
    """Read the trust root that the settings name.

    Raises:
        SettingsError: it is missing, malformed, or another provider's.
    """
    try:
        data = settings.trust_root.read_bytes()
        root = document.decode(data, TrustRoot, limit=limits.MANIFEST_BYTES, canonical=False)
    except OSError as error:
        raise SettingsError(
            f"cannot read the trust root {settings.trust_root}: {error.strerror}",
            hint=_TRUST_ROOT,
        ) from error
    except WireError as error:
        raise SettingsError(f"{settings.trust_root} is no trust root: {error}", hint=_TRUST_ROOT) from error
    if root.provider != settings.name:
        raise SettingsError(
            f"the trust root is that of {root.provider!r:.80}, and this provider is {settings.name!r:.80}",
            hint="Set `name` to the name that the list authorities sign.",
        )
    return root
