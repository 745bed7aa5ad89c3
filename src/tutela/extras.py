"""How a part of Tutela that was not installed is installed: one place to change on the day that Tutela is on PyPI."""

from __future__ import annotations


def install(extra: str) -> str:
    """Return what to tell whoever lacks the packages of the extra `extra`."""
    return f'Run in a clone of Tutela: pip install ".[{extra}]"'
