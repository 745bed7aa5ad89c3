r"""A client in miniature: check a picture before it is sent, and do as the verdict says.

    pip install ".[device]"     (in a clone of Tutela)
    python examples/guard.py holiday.jpg --provider https://tutela.example.org --trust-root trust-root.json \
        --homeserver https://matrix.example.org --token-file token --profile mia --language fr

Exits with 0 if the picture may be sent, and with 1 if not.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import sys
from pathlib import Path

from tutela.errors import TutelaError
from tutela.extras import install
from tutela.language import words
from tutela.signals.image import PictureError, strip_trailing

try:
    from tutela.device import Action, Guard, Outcome, Verdict, load_trust_root, matrix_sign_in
except ModuleNotFoundError as error:
    sys.exit(f"{error}\n{install('device')}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check a picture as a guarded messenger does before it sends it.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--provider", required=True, help="the address of the Tutela provider")
    parser.add_argument("--trust-root", type=Path, required=True, help="ship this file inside your client")
    parser.add_argument("--homeserver", required=True, help="the user's Matrix homeserver")
    parser.add_argument("--token-file", type=Path, required=True, help="holds the user's access token")
    parser.add_argument("--profile", type=Path, required=True, help="a folder that is kept between runs")
    parser.add_argument("--language", default="en")
    return parser.parse_args()


def profile_key(profile: Path) -> bytes:
    """Your client keeps these 32 bytes in the platform's key store; a file will do for an example."""
    profile = profile.resolve()
    file = profile.with_name(f"{profile.name}.key")
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as new:
            new.write(secrets.token_bytes(32))
    return file.read_bytes()


def may_be_sent(verdict: Verdict, language: str) -> bool:
    """Tell the user, in their language, and ask them where the verdict says so."""
    told = words(language)
    if verdict.outcome is Outcome.UNCHECKED:
        print(f"(for the log: {verdict.reason}: {verdict.detail})", file=sys.stderr)
    if verdict.action is Action.ALLOW:
        return True
    print(verdict.title(told), verdict.text(told), sep="\n")
    return verdict.action is Action.WARN and asked()


def asked() -> bool:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's would wait for the answer
    try:
        return input("[y/N] ").strip().lower() == "y"
    except EOFError:  # nobody is there to answer
        return False
    finally:
        signal.signal(signal.SIGINT, before)


async def main() -> bool:
    options = arguments()
    # What trails behind the picture's end is not checked, so it is not sent either.
    picture = options.picture.read_bytes()
    with contextlib.suppress(PictureError):  # the verdict will be *unchecked*
        picture = strip_trailing(picture)
    async with await Guard.open(
        options.profile,
        key=profile_key(options.profile),
        provider=options.provider,
        trust_root=load_trust_root(options.trust_root),
        sign_in=matrix_sign_in(options.homeserver, options.token_file.read_text().strip()),
    ) as guard:
        guard.choose(picture)  # as soon as the user has picked it: the check starts here, not when they press "send"
        if may_be_sent(await guard.check_outgoing(picture), options.language):
            print(f"Now encrypt and send {len(picture):,} bytes.")
            return True
    return False


if __name__ == "__main__":
    try:
        sys.exit(0 if asyncio.run(main()) else 1)
    except TutelaError as error:
        sys.exit(f"{error}\n{error.hint or ''}".rstrip())
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
