"""`tutela provider`, from an empty folder to an epoch that is served, and what it says when something is amiss."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from harness.epochs import CREATED, SIGNERS
from harness.provider import PARAMETERS, address_of, make_settings, small_epoch
from harness.reports import message, report
from tutela.cli.main import main
from tutela.cli.provider import _lacks
from tutela.cli.provider import provider as group
from tutela.integrations.matrix.synapse_module import read_key_file
from tutela.lists.epoch import Settings
from tutela.lists.workspace import Workspace
from tutela.matching import voprf
from tutela.provider import settings as configuration
from tutela.provider.reports.tables import Report
from tutela.provider.review.people import Role
from tutela.provider.review.staff import StaffStore
from tutela.provider.review.tables import Case
from tutela.provider.service import Provider
from tutela.wire import document, envelope
from tutela.wire.franking import stamp_key_id
from tutela.wire.manifest import MANIFEST_TYPE


def tutela(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output + str(result.exception)
    return result


def answered(*arguments: object, code: int = 0) -> dict[str, object]:
    return json.loads(tutela("provider", *arguments, "--json", code=code).stdout)


@pytest.fixture
def listing(tmp_path: Path) -> Workspace:
    """A list whose first epoch two authorities signed."""
    made = small_epoch()
    workspace = Workspace.create(tmp_path / "list", Settings(provider="provider.example", parameters=PARAMETERS))
    for signer in SIGNERS:
        workspace.admit(signer.authority)
    for signed in (one for chain in made.submissions.values() for one in chain):
        workspace.submit(signed)
    workspace.build(created=CREATED)
    sign(workspace)
    return workspace


def sign(workspace: Workspace) -> None:
    folder = workspace.epoch()
    for signer in SIGNERS:
        folder.add_signature(envelope.sign(MANIFEST_TYPE, folder.envelope().unverified_payload, signer.key))


@pytest.fixture
def config(home: Path, listing: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a provider that `init` made, with a trust root."""
    if address := address_of(home):
        monkeypatch.setenv("TUTELA_PROVIDER_DATABASE", address)
    folder = home / "service"
    tutela("provider", "init", folder, "--name", "provider.example", "--homeserver", "home.example=http://127.0.0.1:1")
    root = listing.trust_root(signatures=2, jurisdictions=2, minimum_epoch=0)
    (folder / "trust-root.json").write_bytes(document.encode(root))
    return folder / "provider.toml"


def test_from_an_empty_folder_to_a_published_epoch(config: Path, listing: Workspace):
    assert answered("status", "--config", config)["epoch"] is None
    done = answered("publish", "--list", listing.root, "--config", config)
    segments = len({entry.digest for entry in listing.epoch().manifest().segments})
    assert done["epoch"] == 1
    assert done["segments"] == done["new_segments"] == segments
    again = answered("publish", "--list", listing.root, "--config", config)
    assert (again["already_published"], again["new_segments"]) == (True, 0)
    found = answered("status", "--config", config)
    assert found["epoch"]["number"] == 1
    assert [key["state"] for key in found["keys"]] == ["answers"]
    kept = config.parent / "data" / "keys"
    assert [path.stat().st_mode & 0o777 for path in kept.iterdir()] == [0o600]
    text = tutela("provider", "status", "--config", config).stdout
    assert "Newest epoch" in text
    assert "answers" in text


def test_a_key_is_rotated_and_the_old_one_destroyed(config: Path, listing: Workspace):
    tutela("provider", "publish", "--list", listing.root, "--config", config)
    old = listing.epoch().manifest().keys[0].id
    built = tutela("provider", "rotate-key", "--compromised", "--list", listing.root)
    assert "Epoch 2 is built" in built.stdout
    refused = answered("publish", "--list", listing.root, "--config", config, code=1)
    assert refused["error"]["code"] == "too-few-signatures"
    assert "tutela list approve" in refused["error"]["hint"]
    sign(listing)
    assert answered("publish", "--list", listing.root, "--config", config)["epoch"] == 2
    new = listing.epoch().manifest().keys[0].id
    assert new != old
    states = {key["id"]: key["state"] for key in answered("status", "--config", config)["keys"]}
    assert states[new] == "answers"
    assert states[old].startswith("retired ")
    done = answered("gc", "--retired-keys", "--config", config)
    assert done["epochs"] == []
    # The provider took over only the new key after the old one had retired at once; the old was held before.
    assert done["keys"] == [old]
    refused = answered("publish", "1", "--list", listing.root, "--config", config, code=1)
    assert refused["error"]["code"] == "rollback"
    assert "Name no epoch" in refused["error"]["hint"]


def test_an_epoch_that_too_few_signed_is_named_with_the_one_that_could_be_published(config: Path, listing: Workspace):
    publish = ("publish", "--list", listing.root, "--config", config)
    tutela("provider", "rotate-key", "--list", listing.root)
    refused = answered(*publish, code=1)["error"]
    assert refused["message"].startswith("epoch 2 is not published: of the authorities that are trusted here, nobody ")
    assert refused["hint"].endswith(f"epoch 1 bears enough: tutela provider publish 1 --list {listing.root}")
    answered("publish", "1", *publish[1:])
    assert answered(*publish, code=1)["error"]["hint"].endswith("Meanwhile epoch 1 stays published.")


def test_a_first_epoch_that_nobody_signed(config: Path, listing: Workspace):
    manifest = listing.epoch().path / "manifest.json"
    manifest.write_bytes(
        envelope.encode(envelope.Envelope(MANIFEST_TYPE, listing.epoch().envelope().unverified_payload, ()))
    )
    refused = answered("publish", "--list", listing.root, "--config", config, code=1)["error"]
    assert refused["code"] == "too-few-signatures"
    assert refused["hint"].endswith("No epoch before it can be published.")


def test_what_it_says_never_holds_a_secret(config: Path, listing: Workspace):
    said = tutela("provider", "publish", "--list", listing.root, "--config", config).output
    said += tutela("provider", "status", "--config", config).output
    said += tutela("provider", "gc", "--retired-keys", "--config", config).output
    key_id = listing.epoch().manifest().keys[0].id
    secret = (listing.root / "keys" / f"{key_id}.key").read_text().split("\n")[1]
    assert voprf.key_id(voprf.key_pair(bytes.fromhex(secret)).public) == key_id
    assert secret not in said


def test_a_missing_segment_is_named(config: Path, listing: Workspace):
    (entry,) = {entry.digest for entry in listing.epoch().manifest().segments if entry.items}
    (listing.root / "epochs" / "1" / "segments" / f"{entry}.seg").unlink()
    refused = answered("publish", "--list", listing.root, "--config", config, code=1)
    assert refused["error"]["code"] == "segment-missing"
    assert entry in refused["error"]["message"]
    assert answered("status", "--config", config)["epoch"] is None


def test_a_missing_secret_is_named(config: Path, listing: Workspace):
    key_id = listing.epoch().manifest().keys[0].id
    (listing.root / "keys" / f"{key_id}.key").unlink()
    refused = tutela("provider", "publish", "--list", listing.root, "--config", config, code=1)
    assert "cannot answer with key" in refused.stderr
    assert "Hint:" in refused.stderr


def test_init_does_not_write_over_anything(config: Path):
    before = config.read_text()
    again = ("init", config.parent, "--name", "x.example", "--homeserver", "x.example=https://x.example")
    assert answered(*again, code=1)["error"]["hint"] == "Edit it, or choose another folder."
    assert config.read_text() == before


def test_a_folder_is_no_settings_file(config: Path):
    refused = answered("status", "--config", config.parent, code=1)["error"]
    assert (refused["code"], refused["message"].split(": ")[-1]) == ("settings", "Is a directory")


@pytest.mark.parametrize(
    ("homeserver", "said"),
    [("home.example", "NAME=URL"), ("home.example=matrix", "https://"), ("=http://x", "must have names")],
)
def test_init_refuses_early(tmp_path: Path, homeserver: str, said: str):
    result = tutela("provider", "init", tmp_path / "s", "--name", "n", "--homeserver", homeserver, code=1)
    assert said in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("command", ["serve", "publish", "status", "gc"])
def test_no_settings(tmp_path: Path, listing: Workspace, command: str):
    extra = ("--list", listing.root) if command == "publish" else ()
    refused = answered(command, *extra, "--config", tmp_path / "nowhere.toml", code=1)
    assert refused["error"]["code"] == "settings"
    assert "tutela provider init" in refused["error"]["hint"]


def test_the_environment_prevails(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUTELA_PROVIDER_PORT", "many")
    refused = answered("status", "--config", config, code=1)["error"]
    assert refused["code"] == "settings"
    assert refused["message"] == "TUTELA_PROVIDER_PORT must be a whole number, not 'many'"


def test_every_command_explains_itself_with_an_example():
    assert set(group.commands) == {"init", "serve", "publish", "status", "rotate-key", "gc", "stamp-key"}
    for name in group.commands:
        text = tutela("provider", name, "--help").stdout
        assert "Example" in text
        assert f"tutela provider {name}" in text
        assert "--json" in text


def test_serving_says_what_devices_will_miss(tmp_path: Path):
    settings = make_settings(tmp_path, small_epoch(), homeservers={})
    settings.trust_root.unlink()
    assert [text.split(",")[-1] for text in _lacks(settings)] == [
        " so nobody can sign in",
        " so nothing can be published",
        ' and whoever reports is told so: tutela staff invite "NAME" --role admin (they invite reviewers in the '
        "console)",
        " so devices cannot check",
    ]
    hire(settings, Role.ADMIN)
    told = [text for text in _lacks(settings) if "read reports" in text]
    assert [text.partition(": ")[2] for text in told] == ['tutela staff invite "NAME" --role reviewer']


def hire(settings: configuration.Settings, role: Role) -> None:
    with closing(Provider.open(settings)) as opened:
        staff = StaffStore(opened.database, opened.clock, secrets.token_bytes)
        staff.register(staff.invite("Rita", role, "Home", by=None)[1], "passkey", b"public", 0)


def test_it_is_said_when_nobody_can_read_reports_and_what_waits(config: Path):
    settings = configuration.load(config, os.environ)
    with closing(Provider.open(settings)) as opened:
        for number, danger_now in enumerate((False, False, True)):
            sent = report(message(number), number=number, danger_now=danger_now, about=f"@a{number}:home.example")
            opened.reports.take(f"@mia{number}:home.example", document.encode(sent))
        with opened.database.writing() as connection:
            connection.execute(update(Report).values(received=Report.received - 3 * 3_600_000))
    found = answered("status", "--config", config)
    assert found["nobody_reads"] is True
    waiting = [(one["urgency"], one["cases"], one["reports"], one["oldest_minutes"]) for one in found["waiting"]]
    assert waiting == [("imminent", 1, 1, 180), ("contact", 2, 2, 180)]
    text = tutela("provider", "status", "--config", config).stdout
    assert "imminent: 1 case with 1 report, the oldest 3 hours old" in text
    assert "contact: 2 cases with 2 reports, the oldest 3 hours old" in text
    assert 'nobody can read them: tutela staff invite "NAME" --role reviewer' in text
    assert [line for line in text.splitlines() if line.startswith("Database") and len(line.split()) == 2]
    hire(settings, Role.REVIEWER)
    assert answered("status", "--config", config)["nobody_reads"] is False
    assert "nobody can read" not in tutela("provider", "status", "--config", config).stdout


def test_what_was_decided_does_not_wait(config: Path):
    settings = configuration.load(config, os.environ)
    with closing(Provider.open(settings)) as opened:
        opened.reports.take("@mia:home.example", document.encode(report(message(1))))
        with opened.database.writing() as connection:
            connection.execute(update(Case).values(open=False))
    assert answered("status", "--config", config)["waiting"] == []
    assert "none waits" in tutela("provider", "status", "--config", config).stdout


def test_a_provider_is_made_with_a_database_of_ones_own(tmp_path: Path):
    made = (
        "init",
        tmp_path / "service",
        "--name",
        "family.example",
        "--homeserver",
        "family.example=http://127.0.0.1:1",
    )
    refused = answered(*made, "--database", f"sqlite:////{tmp_path}/nowhere/db.sqlite", code=1)["error"]
    assert refused["code"] == "storage"
    config = Path(str(answered(*made, "--database", f"sqlite:////{tmp_path}/other.sqlite")["config"]))
    assert (tmp_path / "other.sqlite").exists()
    assert not (config.parent / "data" / "provider.sqlite").exists()
    assert config.stat().st_mode & 0o777 == 0o600, "the address may hold a password"
    assert str(answered("status", "--config", config)["database"]).endswith("other.sqlite")


def test_a_stamp_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "stamp.key"
    made = answered("stamp-key", path)
    assert path.stat().st_mode & 0o777 == 0o600
    kept = read_key_file(path)
    assert made == {"key_file": str(path), "key_id": stamp_key_id(kept)}
    refused = answered("stamp-key", path, code=1)["error"]
    assert refused["message"].endswith("is there already")
    assert read_key_file(path) == kept
    assert kept.hex() not in tutela("provider", "stamp-key", tmp_path / "second.key").output


def test_serving_says_which_keys_it_cannot_answer_with(config: Path, listing: Workspace):
    tutela("provider", "publish", "--list", listing.root, "--config", config)
    settings = configuration.load(config, os.environ)
    hire(settings, Role.REVIEWER)
    assert list(_lacks(settings)) == []
    (secret,) = settings.keys.glob("*.key")
    secret.chmod(0o644)
    assert [text.split(", so ")[0] for text in _lacks(settings)] == [f"other users can read the key file {secret}"]
    secret.unlink()
    assert [text.split(", so ")[1] for text in _lacks(settings)] == [f"checks with the key {secret.stem} are refused"]


def test_serving_says_when_it_stopped_and_at_which_time_what_happened(config: Path, monkeypatch: pytest.MonkeyPatch):
    def serve(*_: object, **__: object) -> None:
        logging.getLogger("tutela.provider").warning("something")

    monkeypatch.setattr("tutela.cli.provider.run", serve)
    monkeypatch.setattr(logging.root, "handlers", [])
    said = tutela("provider", "serve", "--config", config).stderr
    assert said.endswith("Stopped.\n")
    assert re.search(r"^\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d{4} WARNING tutela\.provider: something$", said, re.MULTILINE)
    assert tutela("provider", "serve", "--config", config, "--json").stdout == ""


@pytest.mark.parametrize(
    ("host", "warned"),
    [("127.0.0.1", 0), ("localhost", 0), ("::1", 0), ("0.0.0.0", 1), ("::", 1), ("tutela.example", 1)],
)
def test_serving_says_that_others_can_read_along(tmp_path: Path, host: str, warned: int):
    settings = make_settings(tmp_path, small_epoch(), host=host)
    assert sum("without TLS" in text for text in _lacks(settings)) == warned


def test_what_is_piped_has_no_blanks_at_the_end(config: Path):
    lines = tutela("provider", "status", "--config", config).stdout.splitlines()
    assert len(lines) == 6
    assert lines == [line.rstrip() for line in lines]
