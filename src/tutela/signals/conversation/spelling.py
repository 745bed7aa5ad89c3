"""From what people type to words: folding of scripts and marks, spaced-out letters, leetspeak, drawn-out letters.

Every step adds readings of a token rather than choosing one, so that a disguise costs its writer something and an
ordinary spelling nothing. Text is cut to its first and last part: no message costs more than a fixed time.

Homoglyphs: the Cyrillic and Greek letters that Unicode Technical Standard 39 lists as confusable with Latin ones,
the common ones by hand; full-width, mathematical and circled letters fold under NFKD.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import product
from typing import Final

#: Characters read at each end of a long message.
END: Final = 2_000
#: Longest token that is looked at.
TOKEN: Final = 48

_HOMOGLYPHS: Final = str.maketrans(
    "аеорсухіјѕвнкмтԁԛԝһαορντικυχεηβγƖıǀɑɡɩ",
    "aeopcyxijsbhkmtdqwhaopvtikuxenbylilagi",
)
_APOSTROPHES: Final = str.maketrans({"’": "'", "ʼ": "'", "`": "'", "´": "'", "‘": "'", "′": "'"})
#: An age and what is glued to it (`14f`, `13yo`) are two tokens.
_TOKEN: Final = re.compile(r"\b\d{2}(?=(?:[mf]|yo|yrs?|ans?|j|jr)\b)|[\w@$!'|]+|[\u2600-\u27bf\U0001f300-\U0001faff]")
_LEET: Final = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "i", "|": "li",
}  # fmt: skip
_RUN: Final = re.compile(r"(.)\1{2,}")
_PAIR: Final = re.compile(r"(.)\1+")


def fold(text: str) -> str:
    """Return `text` in lower case, without marks, invisible characters or look-alike letters."""
    text = text.translate(_APOSTROPHES)
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = [c for c in decomposed if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cs", "Co", "Cc") or c in "\n\t"]
    return "".join(kept).translate(_HOMOGLYPHS)


def ends(text: str) -> str:
    """Return the part of `text` that is read."""
    return text if len(text) <= 2 * END else f"{text[:END]} {text[-END:]}"


def tokens(text: str) -> list[str]:
    """Split folded text into raw tokens; letters that stand alone in a row are joined."""
    found = [bare for token in _TOKEN.findall(text) if (bare := token.strip("!'|"))]
    if sum(len(token) == 1 for token in found) < 4:
        return found
    joined: list[str] = []
    run: list[str] = []
    for token in [*found, ""]:
        if len(token) == 1 and token.isalpha():
            run.append(token)
            continue
        joined.extend(["".join(run)] if len(run) >= 4 else run)
        run = []
        if token:
            joined.append(token)
    return joined


def readings(token: str) -> list[str]:
    """Return the spellings that a raw token may stand for, the plainest first."""
    token = token[:TOKEN]
    plain: list[str] = []
    if "'" in token:
        before, _, after = token.partition("'")
        plain.append(token.replace("'", ""))
        if len(before) <= 2 and len(after) > 1:
            plain.append(after)  # an elision: l'adresse
        elif after == "s":
            plain.append(before)  # a genitive: mum's
    else:
        plain.append(token)
    if not token.isalpha() and not token.isdigit():
        plain.extend(_unmasked(token))
    seen = dict.fromkeys(plain)
    for word in plain:
        if _PAIR.search(word):
            seen.update(dict.fromkeys((_RUN.sub(r"\1\1", word), _PAIR.sub(r"\1", word))))
    return list(seen)


def _unmasked(token: str) -> list[str]:
    bare = token.replace("'", "").replace("_", "")
    if sum(c.isalpha() for c in bare) < 2:
        return []
    choices = [_LEET.get(c, c) for c in bare]
    if sum(len(choice) > 1 for choice in choices) > 4:
        choices = [choice[0] for choice in choices]
    return ["".join(letters) for letters in product(*choices)]
