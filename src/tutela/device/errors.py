"""What can go wrong on the device. A check itself never raises: it ends in a `Verdict`, if need be *unchecked*."""

from __future__ import annotations

from typing import ClassVar

from tutela.errors import TutelaError


class DeviceError(TutelaError):
    """Something on this device, or between it and the provider, went wrong."""

    code: ClassVar[str] = "device"


class WrongProfileKey(DeviceError):
    """The profile was made with another key."""

    code: ClassVar[str] = "wrong-profile-key"


class DamagedProfile(DeviceError):
    """A file of the profile is not what was written there."""

    code: ClassVar[str] = "damaged-profile"


class ProfileInUse(DeviceError):
    """Another process has the profile open."""

    code: ClassVar[str] = "profile-in-use"


class ProviderUnreachable(DeviceError):
    """No answer, or none in time."""

    code: ClassVar[str] = "provider-unreachable"


class ProviderRefused(DeviceError):
    """The provider answered that it will not: not signed in, too many checks, a retired key."""

    code: ClassVar[str] = "provider-refused"

    def __init__(self, message: str, *, problem: str, hint: str | None = None, item: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problem = problem
        """The provider's own code for what is wrong."""
        self.item = item
        """Which of several things that were sent it is about, counted from 0."""


class SignInFailed(DeviceError):
    """The homeserver gave no OpenID token for the provider."""

    code: ClassVar[str] = "sign-in-failed"


class UntrustedAnswer(DeviceError):
    """The provider's answer does not hold: a bad proof, signature, digest or form."""

    code: ClassVar[str] = "untrusted-answer"


class DecoderFailed(DeviceError):
    """The child process that decodes pictures died or took too long."""

    code: ClassVar[str] = "decoder-failed"


class TooManyCalls(DeviceError):
    """As many calls are under way over JSON-RPC as there may be."""

    code: ClassVar[str] = "too-many-calls"


class ReportUnusable(DeviceError):
    """What was put together is no report."""

    code: ClassVar[str] = "report-unusable"


class ReportTooLarge(ReportUnusable):
    """More messages, files or words than one report holds."""

    code: ClassVar[str] = "report-too-large"


class NoSuchReport(DeviceError):
    """This account has made no such report, as far as this device knows."""

    code: ClassVar[str] = "no-such-report"
