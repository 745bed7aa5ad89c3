"""Where a device sends what only one party may read: over TLS, or to this machine itself."""

from __future__ import annotations

import ipaddress

import httpx

from tutela.device.errors import DeviceError


def check_address(url: str, whose: str) -> None:
    """Refuse an address that anybody on the way could read along, or that is none.

    Raises:
        DeviceError: it is neither `https`, nor `http` to this machine (`localhost`, 127.0.0.0/8, `::1`).
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise DeviceError(f"{url!r:.200} is no address of a {whose}", hint="Write https://… in front.")
    if parsed.scheme == "http" and not _is_here(parsed.host):
        raise DeviceError(
            f"{url!r:.200} is not encrypted: everybody on the way to the {whose} could read along",
            hint="Write https://…; plain http is for 127.0.0.1 only.",
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
