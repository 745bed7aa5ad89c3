"""The console's own address: what passkeys are bound to, and what tells its own requests from others'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from tutela.provider.errors import SettingsError
from tutela.provider.settings import Settings

_LOCAL: Final = "http://localhost:{port}"


@dataclass(frozen=True)
class Site:
    """An origin, such as `https://review.example.org` or `http://localhost:8471`."""

    origin: str

    @classmethod
    def local(cls, port: int) -> Self:
        """Return the site of this machine: by name, because passkeys are refused at 127.0.0.1."""
        return cls(_LOCAL.format(port=port))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the site that the settings name.

        Raises:
            SettingsError: there is no console.
        """
        if not settings.console_port and not settings.console_origin:
            raise SettingsError("there is no console", hint="Set `console_port` to another port than 0.")
        return cls(settings.console_origin) if settings.console_origin else cls.local(settings.console_port)

    def invitation(self, secret: str) -> str:
        """Return the one-time link with which somebody makes a passkey."""
        return f"{self.origin}/invitation/{secret}"

    @property
    def host(self) -> str:
        """What requests name as their host."""
        return urlsplit(self.origin).netloc

    @property
    def rp_id(self) -> str:
        """The domain that passkeys are bound to."""
        return urlsplit(self.origin).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether it is reached over TLS."""
        return self.origin.startswith("https://")

    def cookie(self, name: str) -> str:
        """Return a cookie's name; over TLS one that no other host can set."""
        return f"__Host-{name}" if self.secure else name
