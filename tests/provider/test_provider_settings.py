"""Settings: one file, the environment, early refusal."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tutela.provider import settings as configuration
from tutela.provider.errors import SettingsError
from tutela.provider.settings import Settings

MINIMAL = """
name = "family.example"
data = "data"
trust_root = "/etc/trust-root.json"
homeservers = { "family.example" = "http://127.0.0.1:8008" }
"""
ACTING = """
enforcer_homeserver = "family.example"
enforcer_token_file = "token"
appeal_address = "https://safety.example/appeal/"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "provider.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_start_at_the_files_folder(tmp_path: Path):
    settings = configuration.load(written(tmp_path, MINIMAL + 'access_log = "access.jsonl"'), {})
    assert settings.data == tmp_path / "data"
    assert settings.trust_root == Path("/etc/trust-root.json")
    assert settings.access_log == str(tmp_path / "access.jsonl")
    assert settings.database_url == f"sqlite:///{tmp_path}/data/provider.sqlite"


def test_who_carries_out_what_is_decided(tmp_path: Path):
    settings = configuration.load(written(tmp_path, MINIMAL + ACTING), {})
    assert settings.enforcer_token_file == str(tmp_path / "token")
    assert settings.review_secret == tmp_path / "data" / "review.key"
    assert settings.appeals == "https://safety.example/appeal/"
    at_the_console = ACTING.replace("appeal_address", "console_origin").replace("/appeal/", "")
    assert configuration.load(written(tmp_path, MINIMAL + at_the_console), {}).appeals == settings.appeals


def test_environment_prevails(tmp_path: Path):
    environ = {
        "TUTELA_PROVIDER_PORT": "9000",
        "TUTELA_PROVIDER_HOMESERVERS": "a.example=https://a.example:8448, b.example=http://b",
        "TUTELA_PROVIDER_ACCESS_LOG": "-",
        "TUTELA_OTHER": "ignored",
        "PATH": "/bin",
    }
    settings = configuration.load(written(tmp_path, MINIMAL), environ)
    assert settings.port == 9000
    assert settings.homeservers == {"a.example": "https://a.example:8448", "b.example": "http://b"}
    assert settings.access_log == "-"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not TOML"),
        ("", "provider.toml: `name` is missing"),
        ('name = "x"', "provider.toml: `data` is missing"),
        (MINIMAL + "port = 'high'", "provider.toml: `port` must be a whole number, not 'high'"),
        (MINIMAL + "port = 1.5", "`port` must be a whole number, not 1.5"),
        (MINIMAL + "host = 5", "`host` must be text"),
        (MINIMAL + "host = ''", "`host` must name an address"),
        (MINIMAL + 'host = "\\u0000"', "`host` must name an address"),
        (MINIMAL + "host = 'exämple'", "`host` must name an address"),
        (MINIMAL.replace('"data"', "5"), "`data` must be a path"),
        (MINIMAL.replace('{ "family.example" = "http://127.0.0.1:8008" }', '"x"'), "`homeservers` must be a table"),
        (MINIMAL + "port = 65536", "`port` must lie between 0 and 65535"),
        (MINIMAL + "session_seconds = 1", "`session_seconds` must lie between"),
        (MINIMAL + "spent_token_seconds = 60", "`spent_token_seconds` must lie between"),
        (MINIMAL.replace("family.example", "", 1), "`name` must have"),
        (MINIMAL.replace("http://127.0.0.1:8008", "matrix.example"), "look like https://"),
        (MINIMAL.replace("http://127.0.0.1:8008", "ftp://matrix.example"), "look like https://"),
        (MINIMAL.replace("http://127.0.0.1:8008", "https://user:secret@matrix.example"), "look like https://"),
        (MINIMAL.replace("http://127.0.0.1:8008", "https://[::1"), "look like https://"),
        (MINIMAL.replace("http://127.0.0.1:8008", "https://matrix.example:port"), "look like https://"),
        (MINIMAL.replace("http://127.0.0.1:8008", "https://matrix.example?x=1"), "look like https://"),
        (MINIMAL.replace('"family.example" =', '"" ='), "`homeservers` must have names"),
        (MINIMAL + ACTING.replace("family", "other"), "`enforcer_homeserver` must be one of `homeservers`"),
        (MINIMAL + ACTING.replace('"token"', '""'), "`enforcer_token_file` is missing"),
        (MINIMAL + ACTING.replace("https:", "mailto:"), "`appeal_address` must be an address"),
        (MINIMAL + ACTING.replace("appeal_address", "review_policy"), "`appeal_address` must be an address"),
        (MINIMAL + ACTING + 'enforcer_address = "here"', "`enforcer_address` must be an address"),
    ],
)
def test_refused(tmp_path: Path, text: str, said: str):
    with pytest.raises(SettingsError, match=said) as refused:
        configuration.load(written(tmp_path, text), {})
    assert refused.value.hint


def test_an_unknown_setting_names_the_nearest(tmp_path: Path):
    with pytest.raises(SettingsError, match="`prot` is no setting") as refused:
        configuration.load(written(tmp_path, MINIMAL + "prot = 1"), {})
    assert "`port`" in (refused.value.hint or "")
    with pytest.raises(SettingsError, match="`zzzzzz` is no setting"):
        configuration.load(written(tmp_path, MINIMAL + "zzzzzz = 1"), {})


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PORT", "x", "TUTELA_PROVIDER_PORT must be a whole number, not 'x'"),
        ("PORT", "99999", "TUTELA_PROVIDER_PORT must lie between 0 and 65535, not be 99999"),
        ("NAME", "", "TUTELA_PROVIDER_NAME must have between"),
        ("HOST", "", "TUTELA_PROVIDER_HOST must name an address"),
        ("HOMESERVERS", "example.org", "TUTELA_PROVIDER_HOMESERVERS must be written example.org=https://"),
        ("HOMESERVERS", "a.example=b", "TUTELA_PROVIDER_HOMESERVERS gives a.example an address"),
        ("PROT", "1", "TUTELA_PROVIDER_PROT is no setting"),
        ("ZZZZZZ", "1", "TUTELA_PROVIDER_ZZZZZZ is no setting"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, said: str):
    with pytest.raises(SettingsError, match=f"^{said}") as refused:
        configuration.load(written(tmp_path, MINIMAL), {f"TUTELA_PROVIDER_{variable}": value})
    assert refused.value.hint
    if variable == "PROT":
        assert "Did you mean TUTELA_PROVIDER_PORT?" in refused.value.hint


def test_a_password_of_the_wrong_type_is_not_shown(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"`database` must be text$"):
        configuration.load(written(tmp_path, MINIMAL + "database = ['hunter2']"), {})


def test_no_file(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot read") as refused:
        configuration.load(tmp_path / "provider.toml", {})
    assert "tutela provider init" in (refused.value.hint or "")


def test_a_password_in_the_database_address_is_not_shown(tmp_path: Path):
    settings = configuration.load(
        written(tmp_path, MINIMAL), {"TUTELA_PROVIDER_DATABASE": "postgresql://tutela:hunter2@db/tutela"}
    )
    assert "hunter2" not in repr(settings)
    assert settings.database_url == "postgresql://tutela:hunter2@db/tutela"


def test_the_template_is_a_settings_file_with_every_setting(tmp_path: Path):
    values = {
        "name": 'an "odd" näme',
        "data": "data",
        "trust_root": "root.json",
        "homeservers": {"a.example": "https://a.example"},
    }
    text = configuration.template(values)
    settings = configuration.load(written(tmp_path, text), {})
    assert settings.name == 'an "odd" näme'
    uncommented = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in text.splitlines()
    )
    again = configuration.load(written(tmp_path, uncommented), {})
    assert again == settings
    for field in dataclasses.fields(Settings):
        assert f"{field.name} = " in uncommented
