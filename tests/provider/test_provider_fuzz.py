"""Whatever is sent, the answer is one that the OpenAPI document knows, and never a mistake of ours."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.postgresql import Server
from harness.provider import ADDRESS, PARAMETERS, SERVER, Stage, random_request, staged
from tutela.wire import document
from tutela.wire.session import SignIn


@dataclass(repr=False)
class Shared:
    """One provider for all examples."""

    stage: Stage
    spec: dict[str, Any]
    session: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    folder = tmp_path_factory.mktemp("fuzz")
    with contextlib.ExitStack() as stack:
        if request.param == "postgresql":
            server: Server = request.getfixturevalue("postgresql")
            (folder / ADDRESS).write_text(stack.enter_context(server.migrated()))
        async with staged(folder) as stage:
            yield Shared(stage, (await stage.http.get("/openapi.json")).json(), await stage.sign_in())


SEGMENT_OF_PATH = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80).map(lambda text: quote(text, safe=""))
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(str.strip)
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_known(spec: dict[str, Any], template: str, method: str, answer: httpx.Response) -> None:
    """The status and the code are documented for this operation, or for any path."""
    responses = spec["paths"][template][method]["responses"]
    if answer.status_code < 400:
        assert str(answer.status_code) in responses
        return
    found = answer.json()
    assert answer.status_code != 500, found
    if (answer.status_code, found["code"]) == (404, "not-found"):
        return
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    assert found["code"] in schema["allOf"][1]["properties"]["code"]["enum"]


@RELAXED
@given(part=SEGMENT_OF_PATH, headers=st.dictionaries(st.sampled_from(["range", "if-none-match", "if-range"]), HEADER))
async def test_reading(shared: Shared, part: str, headers: dict[str, str]):
    stage, spec = shared.stage, shared.spec
    digest = next(iter(stage.epoch.segments))
    for template, name, value in (
        ("/v1/manifests/{epoch}", "{epoch}", part),
        ("/v1/manifests/{epoch}", "{epoch}", "1"),
        ("/v1/segments/{sha256}", "{sha256}", part),
        ("/v1/segments/{sha256}", "{sha256}", digest),
    ):
        answer = await stage.http.get(template.replace(name, value), headers=headers)
        check_known(spec, template, "get", answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.fixed_dictionaries(
    {}, optional={"matrix_server_name": st.just(SERVER) | JSON, "access_token": JSON, "more": JSON}
)


@RELAXED
@given(body=st.binary(max_size=300) | (FIELDS | JSON).map(lambda value: httpx.Request("POST", "/", json=value).content))
async def test_signing_in(shared: Shared, body: bytes):
    stage, spec = shared.stage, shared.spec
    answer = await stage.http.post("/v1/session", content=body, headers={"content-type": "application/json"})
    check_known(spec, "/v1/session", "post", answer)
    assert answer.status_code >= 400


@RELAXED
@given(server=st.text(min_size=1, max_size=255), token=st.text(min_size=1, max_size=400))
async def test_well_formed_sign_ins(shared: Shared, server: str, token: str):
    stage, spec = shared.stage, shared.spec
    for name in (server, SERVER):
        try:
            body = document.encode(SignIn(matrix_server_name=name, access_token=token))
        except UnicodeEncodeError:
            return
        answer = await stage.http.post("/v1/session", content=body, headers={"content-type": "application/json"})
        check_known(spec, "/v1/session", "post", answer)


@RELAXED
@given(
    body=st.binary(max_size=400)
    | st.tuples(st.integers(0, 258), st.binary(min_size=1, max_size=40)).map(
        lambda cut: (random_request(PARAMETERS.batch)[: cut[0]] + cut[1]).ljust(259, b"\x00")[:259]
    ),
    key_id=SEGMENT_OF_PATH,
    bearer=HEADER,
    kind=st.sampled_from(["application/octet-stream", "application/json", "", "application/octet-stream; x=y"]),
)
async def test_checking(shared: Shared, body: bytes, key_id: str, bearer: str, kind: str):
    stage, spec, session = shared.stage, shared.spec, shared.session
    template = "/v1/keys/{key_id}/evaluate"
    for key, header in (
        (key_id, f"Bearer {session}"),
        (stage.epoch.manifest.keys[0].id, f"Bearer {session}"),
        (stage.epoch.manifest.keys[0].id, bearer),
    ):
        headers = {"authorization": header, "content-type": kind}
        answer = await stage.http.post(template.replace("{key_id}", key), content=body, headers=headers)
        check_known(spec, template, "post", answer)
