"""`tutela list hash`: from pictures to a file of hashes, at the authority that holds the pictures."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from rich.markup import escape

from tutela.cli.console import JSON, Command, answer, complain, count, progress, say, tell_error
from tutela.lists import defaults, files
from tutela.lists.errors import AlreadyThere, ListError, UnreadableFeed
from tutela.signals.image import DEFAULT_LIMITS, PLAIN, SHIPPED, Pdq, PictureError, luminance, pdq_of_list_item, views


@click.command("hash", cls=Command)
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--crops", is_flag=True, help="Two more hashes of each, that slightly cropped copies share.")
@click.option("--skip-bad", is_flag=True, help="Leave out what is no readable picture instead of refusing.")
@click.option(
    "--minimum-quality",
    type=click.IntRange(0, 100),
    default=defaults.AGREEMENT.minimum_quality,
    show_default=True,
    help="Leave out plainer pictures; as the list's rule says.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the CSV file goes.")
@JSON
def hash_(
    pictures: tuple[Path, ...], crops: bool, skip_bad: bool, minimum_quality: int, out: Path, as_json: bool
) -> None:
    """Hash pictures, and folders of pictures, into a CSV file to import.

    \b
    Of each picture two hashes are written: plain PDQ, and PDQ on a grid that does not depend on the
    picture's size. Authorities rarely hold the same copy: by the second hash, copies of other sizes
    agree too. Nothing else of a picture is written, and not its name. Run it where the pictures are.

    \b
    Example:
      tutela list hash pictures/ --out hashes.csv
    """
    if out.exists():
        raise AlreadyThere(f"{out} is there already", hint="choose another name with --out, or remove it first")
    found = list(_files(pictures))
    if not found:
        raise UnreadableFeed(
            f"there is no file in {', '.join(map(str, pictures))}", hint="name pictures, or a folder that holds some"
        )
    hashes: dict[str, int] = {}
    bad: list[dict[str, str]] = []
    flat, best = 0, 0
    with progress("hashing", quiet=as_json) as tell:
        for done, path in enumerate(found, 1):
            try:
                made = hashes_of(files.read(path, limit=DEFAULT_LIMITS.bytes), crops=crops)
            except (PictureError, ListError) as error:
                bad.append({"file": str(path), "reason": error.message})
            else:
                good = [pdq for pdq in made if pdq.quality >= minimum_quality]
                flat += not good
                best = max(best, *(pdq.quality for pdq in made))
                hashes.update((pdq.hex, pdq.quality) for pdq in good)
            if tell:
                tell(done, len(found))
    if not as_json:
        for one in bad:
            complain(f"[yellow]{escape(one['file'])}:[/] {escape(one['reason'])}")
    if bad and not skip_bad:
        refused = UnreadableFeed(
            f"{len(bad)} of {count(len(found), 'file')} cannot be hashed; nothing was written",
            hint="correct them, or leave them out with --skip-bad",
        )
        tell_error(refused, as_json=as_json, bad=bad)
        raise click.exceptions.Exit(1)
    if not hashes:
        raise _nothing(flat, best, minimum_quality)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("pdq", "quality"), *sorted(hashes.items())])
    files.create(out, text.getvalue().encode(), mode=files.SECRET)
    hashed = len(found) - len(bad) - flat
    facts = {"out": str(out), "pictures": hashed, "hashes": len(hashes), "flat": flat, "bad": bad}

    def tell_people() -> None:
        say(f"{escape(str(out))}: {count(len(hashes), 'hash', 'hashes')} of {count(hashed, 'picture')}.")
        if flat:
            say(f"{count(flat, 'picture')} too plain to be told apart left out (quality under {minimum_quality}).")
        if bad:
            say(f"{count(len(bad), 'file')} that cannot be read left out.")
        say(f"Import it with: tutela list import {escape(shlex.quote(str(out)))} --as ID --out draft.json")

    answer(as_json, facts, tell_people)


def hashes_of(data: bytes, *, crops: bool) -> list[Pdq]:
    """Return the hashes to vouch for of one picture, plain PDQ first.

    Why more than one: `docs/decisions/0014-several-hashes-of-a-picture.md`.

    Raises:
        PictureError: it cannot be read.
    """
    return [pdq_of_list_item(data), *(view.pdq for view in views(luminance(data), SHIPPED if crops else PLAIN))]


def _nothing(flat: int, best: int, minimum: int) -> UnreadableFeed:
    if not flat:
        return UnreadableFeed("none of the files can be read as a picture; nothing was written")
    return UnreadableFeed(
        f"{count(flat, 'picture')} too plain to be told apart, and no other: the best has quality {best}, "
        f"and {minimum} is the least; nothing was written",
        hint="plain pictures look alike to PDQ, so lists leave them out; if your list's rule asks for less, say so "
        "with --minimum-quality",
    )


def _files(given: tuple[Path, ...]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            # Systems leave notes of their own in folders of pictures, such as .DS_Store.
            yield from (one for one in sorted(path.rglob("*")) if one.is_file() and not one.name.startswith("."))
        else:
            yield path


COMMANDS: Final = (hash_,)
