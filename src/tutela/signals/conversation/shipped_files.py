"""The text files of a folder that ships inside a package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources


def texts(package: str, folder: str, ending: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of the files in `folder` of `package` whose names end in `ending`, ordered by name."""
    inside = resources.files(package).joinpath(folder)
    for file in sorted(inside.iterdir(), key=lambda file: file.name):
        if file.name.endswith(ending):
            yield file.name, file.read_text(encoding="utf-8")
