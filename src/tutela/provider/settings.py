"""What the operator chooses: one TOML file, each line of which an environment variable can override.

`TUTELA_PROVIDER_PORT=9000` overrides `port`; `TUTELA_PROVIDER_HOMESERVERS` is written
`example.org=https://matrix.example.org,example.net=…`. Relative paths start at the file's folder.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tutela.provider.errors import SettingsError

FILE: Final = "provider.toml"
ENVIRONMENT: Final = "TUTELA_PROVIDER_"

_HINT: Final = "docs/provider.md describes every setting; `tutela provider init` writes a file to start from."


class _Wrong(SettingsError):
    """One setting that cannot be used: which one, and what is wrong with it."""

    def __init__(self, setting: str, what: str, *, hint: str = _HINT) -> None:
        super().__init__(f"`{setting}` {what}", hint=hint)
        self.setting = setting
        self.what = what


def _doc(text: str) -> dict[str, str]:
    return {"doc": text}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one provider.

    Raises:
        SettingsError: a value is out of its bounds.
    """

    name: str = field(
        metadata=_doc("The provider's name, as manifests and trust roots spell it: usually its Matrix server name.")
    )
    data: Path = field(metadata=_doc("The folder that holds keys, segments and, by default, the database."))
    homeservers: dict[str, str] = field(
        metadata=_doc("The homeservers whose users may sign in: Matrix server name = address where it is reached.")
    )
    trust_root: Path = field(
        metadata=_doc("The trust root (JSON): which list authorities must have signed an epoch before it is published.")
    )
    database: str = field(
        default="",
        repr=False,  # it may hold a password
        metadata=_doc("SQLAlchemy address of the database; empty: SQLite in the data folder."),
    )
    host: str = field(
        default="127.0.0.1",
        metadata=_doc("The address to listen at. Keep it on loopback, behind a reverse proxy with TLS."),
    )
    port: int = field(default=8470, metadata=_doc("The port to listen at; 0 takes a free one."))
    session_seconds: int = field(default=3600, metadata=_doc("How long a session lasts."))
    sessions_per_account: int = field(
        default=16, metadata=_doc("Sessions an account may have at once; a new one ends the oldest.")
    )
    spent_token_seconds: int = field(
        default=7200,
        metadata=_doc("How long the digest of an exchanged sign-in token is kept: longer than a token can live."),
    )
    homeserver_seconds: int = field(default=5, metadata=_doc("How long a homeserver may take to answer."))
    evaluation_threads: int = field(default=2, metadata=_doc("Checks evaluated at once; about one for each core."))
    evaluation_queue: int = field(
        default=64, metadata=_doc("Checks that may wait for a thread before others are sent away.")
    )
    kept_epochs: int = field(default=8, metadata=_doc("How many of the newest epochs `gc` keeps, with their segments."))
    review_policy: str = field(
        default="", metadata=_doc("The file of the review policy (TOML); empty: the one that ships.")
    )
    enforcer_homeserver: str = field(
        default="",
        metadata=_doc(
            "Which of `homeservers` carries out what reviewers decide, through Synapse's admin API; empty: none does."
        ),
    )
    enforcer_address: str = field(
        default="",
        metadata=_doc("Where its admin API is reached; empty: the address in `homeservers`."),
    )
    enforcer_token_file: str = field(
        default="",
        metadata=_doc("The file with the access token of the service account, an admin there; mode 0600."),
    )
    appeal_address: str = field(
        default="",
        metadata=_doc(
            "Where people appeal against what was decided about them: a token is added at the end. Empty: /appeal/ at "
            "`console_origin`, where the console takes appeals."
        ),
    )
    console_port: int = field(
        default=8471, metadata=_doc("The port of the console, on which people review reports; 0: no console.")
    )
    console_origin: str = field(
        default="",
        metadata=_doc(
            "Where browsers reach the console through a proxy with TLS: https://review.example.org. Passkeys are bound "
            "to its domain. Empty: http://localhost at its port, on this machine only."
        ),
    )
    access_log: str = field(
        default="-",
        metadata=_doc("Where the access log goes: a file, `-` for standard output, empty for nowhere."),
    )

    def __post_init__(self) -> None:
        """Refuse early."""
        if not 0 < len(self.name) <= 255:
            raise _Wrong("name", "must have between 1 and 255 characters")
        if not (self.host and self.host.isascii() and self.host.isprintable()):
            raise _Wrong("host", "must name an address, such as 127.0.0.1")
        for server, address in self.homeservers.items():
            _check_homeserver(server, address)
        if self.enforcer_homeserver:
            self._check_enforcer()
        if self.console_origin and not _is_origin(self.console_origin):
            raise _Wrong("console_origin", "must be an address like https://review.example.org, without a path")
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise _Wrong(name, f"must lie between {least} and {most}, not be {value}")

    def _check_enforcer(self) -> None:
        if self.enforcer_homeserver not in self.homeservers:
            raise _Wrong("enforcer_homeserver", "must be one of `homeservers`")
        if not self.enforcer_token_file:
            raise _Wrong("enforcer_token_file", "is missing: decisions are carried out with the token in it")
        if self.enforcer_address and not _is_address(self.enforcer_address):
            raise _Wrong("enforcer_address", "must be an address like https://matrix.example.org")
        if not _is_address(self.appeals):
            raise _Wrong("appeal_address", "must be an address like https://safety.example.org/appeal/")

    @property
    def appeals(self) -> str:
        """Where people appeal: a token is added at the end."""
        return self.appeal_address or (f"{self.console_origin}/appeal/" if self.console_origin else "")

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return self.database or f"sqlite:///{self.data / 'provider.sqlite'}"

    @property
    def keys(self) -> Path:
        """The folder of the OPRF's secret keys."""
        return self.data / "keys"

    @property
    def segments(self) -> Path:
        """The folder of segment files."""
        return self.data / "segments"

    @property
    def stamp_keys(self) -> Path:
        """The folder of the keys under which homeservers stamp messages."""
        return self.data / "stamp-keys"

    @property
    def review_secret(self) -> Path:
        """The file of the secret behind links of appeal and the names of rooms."""
        return self.data / "review.key"

    @property
    def audit_key(self) -> Path:
        """The file of the key that signs the audit log's checkpoints."""
        return self.data / "audit.key"

    @property
    def audit_checkpoint(self) -> Path:
        """The file of the audit log's last checkpoint that was signed."""
        return self.data / "audit.checkpoint"

    @property
    def attachments(self) -> Path:
        """The folder of reported files."""
        return self.data / "attachments"


_BOUNDS: Final = {
    "port": (0, 65_535),
    "console_port": (0, 65_535),
    "session_seconds": (60, 86_400),
    "sessions_per_account": (1, 1_000),
    "spent_token_seconds": (3_600, 30 * 86_400),
    "homeserver_seconds": (1, 60),
    "evaluation_threads": (1, 256),
    "evaluation_queue": (1, 10_000),
    "kept_epochs": (1, 1_000),
}


def described() -> dict[str, str]:
    """Return what each setting means, by name."""
    return {f.name: f.metadata["doc"] for f in dataclasses.fields(Settings)}


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings from a TOML file and the environment, which prevails.

    Raises:
        SettingsError: no such file, not TOML, a missing, unknown or ill-typed setting. It names where the setting
            comes from: the file, or the variable.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cannot read the settings in {path}: {getattr(error, 'strerror', 'it is not UTF-8')}",
            hint="Make them with `tutela provider init`, or name the file with --config.",
        ) from error
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}", hint=_HINT) from error
    names = {variable_of(name): name for name in described()}
    given = {variable: text for variable, text in environ.items() if variable.startswith(ENVIRONMENT)}
    for variable in given.keys() - names.keys():
        near = difflib.get_close_matches(variable, names, n=1)
        raise SettingsError(f"{variable} is no setting", hint=f"Did you mean {near[0]}? {_HINT}" if near else _HINT)
    try:
        overriding = {names[variable]: _of_text(names[variable], text) for variable, text in given.items()}
        return of_values(values | overriding, base=path.parent)
    except _Wrong as wrong:
        variable = variable_of(wrong.setting)
        where = variable if variable in given else f"{path}: `{wrong.setting}`"
        raise SettingsError(f"{where} {wrong.what}", hint=wrong.hint) from wrong


def variable_of(name: str) -> str:
    """Return the environment variable that overrides the setting called `name`."""
    return ENVIRONMENT + name.upper()


def of_values(values: Mapping[str, Any], *, base: Path) -> Settings:
    """Return the settings with these values; relative paths start at `base`. Raises as `load`."""
    known = described()
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise _Wrong(name, "is no setting", hint=f"Did you mean `{near[0]}`? {_HINT}" if near else _HINT)
    placed = dict(values)
    for name in ("data", "trust_root"):
        if isinstance(placed.get(name), str):
            placed[name] = base / placed[name]
    if isinstance(log := placed.get("access_log"), str) and log not in ("", "-"):
        placed["access_log"] = str(base / log)
    for name in ("review_policy", "enforcer_token_file"):
        if isinstance(path := placed.get(name), str) and path:
            placed[name] = str(base / path)
    kinds = typing.get_type_hints(Settings)
    for name, value in placed.items():
        try:
            placed[name] = msgspec.convert(value, kinds[name], strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            shown = f", not {value!r:.40}" if kinds[name] is int else ""  # others may hold a password
            raise _Wrong(name, f"must be {_KINDS[kinds[name]]}{shown}") from error
    for setting in dataclasses.fields(Settings):
        if setting.default is dataclasses.MISSING and setting.name not in placed:
            raise _Wrong(setting.name, "is missing")
    return Settings(**placed)


_KINDS: Final = {
    int: "a whole number",
    str: "text",
    Path: "a path",
    dict[str, str]: 'a table: { "example.org" = "https://matrix.example.org" }',
}


def template(values: Mapping[str, Any]) -> str:
    """Return a settings file with `values`, every other setting with its default and commented out."""
    lines = ["# The settings of a Tutela provider; docs/provider.md says more.", ""]
    for setting in dataclasses.fields(Settings):
        value = values.get(setting.name)
        lines += [f"# {setting.metadata['doc']}"]
        if isinstance(value, dict):
            pairs = ", ".join(f"{_quoted(name)} = {_quoted(address)}" for name, address in value.items())
            lines.append(f"{setting.name} = {{ {pairs} }}")
        elif value is not None:
            lines.append(f"{setting.name} = {_quoted(value)}")
        else:
            lines.append(f"#{setting.name} = {_quoted(setting.default)}")
        lines.append("")
    return "\n".join(lines)


def _quoted(value: Any) -> str:
    """Write a string or number as JSON does: that is TOML, too."""
    return json.dumps(value)


def _of_text(name: str, text: str) -> Any:
    """Return a setting's value as a variable writes it."""
    if name != "homeservers":
        return text
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise _Wrong(name, "must be written example.org=https://matrix.example.org,example.net=…")
    return {server.strip(): address.strip() for server, _, address in pairs}


def _check_homeserver(server: str, address: str) -> None:
    if not 0 < len(server) <= 255:
        raise _Wrong("homeservers", "must have names of between 1 and 255 characters")
    if not _is_address(address):
        raise _Wrong("homeservers", f"gives {server} an address that does not look like https://matrix.example.org")


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and not (parts.query or parts.fragment or parts.username)


def _is_origin(address: str) -> bool:
    """Whether browsers would send just this as their origin, and make passkeys for it."""
    parts = urlsplit(address) if _is_address(address) else None
    if parts is None or parts.path or address != address.lower():
        return False
    return parts.scheme == "https" or parts.hostname == "localhost"


def _path(_: type, value: Any) -> Path:
    """Make a path of a string; paths are the only type here that msgspec does not know."""
    return Path(value)
