"""The OpenAPI document says everything: each route, each answer, each error code; and answers are what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from harness.provider import SERVER, Stage
from tutela.errors import TutelaError
from tutela.provider import errors
from tutela.provider.problems import STATUS
from tutela.wire import envelope
from tutela.wire.session import Problem

#: Errors that Starlette raises before a route is found, or that operators alone meet.
EVERYWHERE = {errors.NotFound, errors.MethodNotAllowed, errors.BadRequest}
OPERATORS = {
    errors.SettingsError,
    errors.KeyStoreError,
    errors.PublishRefused,
    errors.SegmentMissing,
    errors.WrongSegment,
    errors.KeyNotHeld,
    errors.DamagedAudit,
}
BRANCHES = {errors.ProviderError, errors.SignInRefused, errors.NoSession, errors.ReportError}


async def document_of(stage: Stage) -> dict[str, Any]:
    answer = await stage.http.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def codes_of(operation: dict[str, Any]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for status, answer in operation["responses"].items():
        if int(status) >= 400:
            first, second = answer["content"]["application/json"]["schema"]["allOf"]
            assert first == {"$ref": "#/components/schemas/Problem"}
            found[int(status)] = set(second["properties"]["code"]["enum"])
    return found


def all_errors(base: type[TutelaError] = errors.ProviderError) -> set[type[TutelaError]]:
    subclasses = (kind for kind in base.__subclasses__() if kind.__module__.startswith("tutela."))
    public = (kind for kind in subclasses if not kind.__name__.startswith("_"))
    return {base}.union(*(all_errors(kind) for kind in public))


async def test_every_route_is_documented(stage: Stage):
    document = await document_of(stage)
    served = {
        (method.lower(), route.path_format)  # type: ignore[attr-defined]
        for route in stage.app.routes
        if route.path != "/openapi.json"  # type: ignore[attr-defined]
        for method in route.methods  # type: ignore[attr-defined]
    }
    served.discard(("head", "/openapi.json"))
    documented = {(method, path) for method, path, _ in operations(document)}
    assert documented == served
    assert documented == {
        ("get", "/v1/manifest"),
        ("get", "/v1/manifests/{epoch}"),
        ("get", "/v1/segments/{sha256}"),
        ("get", "/v1/review-policy"),
        ("get", "/v1/health"),
        ("post", "/v1/session"),
        ("post", "/v1/keys/{key_id}/evaluate"),
        ("get", "/v1/reading-times"),
        ("post", "/v1/reports"),
        ("get", "/v1/reports"),
        ("get", "/v1/reports/{report_id}"),
        ("put", "/v1/reports/{report_id}/attachments/{sha256}"),
        ("post", "/v1/reports/{report_id}/additions"),
    }


async def test_every_error_is_documented_somewhere(stage: Stage):
    document = await document_of(stage)
    documented = {
        code for *_, operation in operations(document) for codes in codes_of(operation).values() for code in codes
    }
    every = {kind.code for kind in STATUS if kind not in EVERYWHERE}
    assert documented == every


def test_every_error_of_ours_has_a_status_or_is_an_operators():
    # What reviewers meet is shown on pages of their own.
    reviewers = all_errors(errors.ReviewError) | all_errors(errors.EnforcerError)
    assert all_errors() == (
        {kind for kind in STATUS if issubclass(kind, errors.ProviderError)} | OPERATORS | BRANCHES | reviewers
    )
    assert len({kind.code for kind in all_errors()}) == len(all_errors()), "codes are distinct"
    for kind in all_errors() | set(STATUS):
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
        assert (kind.__doc__ or "").strip()


async def test_statuses_are_those_of_the_codes(stage: Stage):
    status_of = {kind.code: int(status) for kind, status in STATUS.items()}
    for *_, operation in operations(await document_of(stage)):
        for status, codes in codes_of(operation).items():
            assert {status_of[code] for code in codes} == {status}


async def test_schemas_are_complete_and_valid(stage: Stage):
    document = await document_of(stage)
    schemas = document["components"]["schemas"]
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert referred <= set(schemas)
    assert {"SignIn", "Session", "Problem", "Envelope", "Manifest", "Health"} <= set(schemas)
    assert "\\Z" not in str(document), "a regular expression of Python's own"
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for *_, operation in operations(document):
        assert operation["summary"]
        for status, answer in operation["responses"].items():
            assert answer["description"], status
            if status == "200":
                (content,) = answer["content"].values()
                assert content["schema"]
    assert document["info"]["license"]["name"] == "Apache-2.0"
    evaluate = document["paths"]["/v1/keys/{key_id}/evaluate"]["post"]
    assert evaluate["security"] == [{"session": []}]
    assert document["components"]["securitySchemes"]["session"]["scheme"] == "bearer"


@pytest.mark.parametrize("path", ["/v1/manifest", "/v1/manifests/1", "/v1/review-policy", "/v1/health"])
async def test_answers_are_what_the_document_says(stage: Stage, path: str):
    document = await document_of(stage)
    template = path.replace("/1", "/{epoch}") if "manifests" in path else path
    schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = await stage.http.get(path)
    validate(document, schema, answer.json())
    if "manifest" in path:
        payload = envelope.decode(answer.content).unverified_payload
        validate(document, {"$ref": "#/components/schemas/Manifest"}, json.loads(payload))


async def test_a_session_and_a_problem_are_what_the_document_says(stage: Stage):
    document = await document_of(stage)
    responses = document["paths"]["/v1/session"]["post"]["responses"]
    stage.homeserver.tokens["t"] = f"@ann:{SERVER}"
    answer = await stage.post_sign_in("t")
    validate(document, responses["200"]["content"]["application/json"]["schema"], answer.json())
    refused = await stage.post_sign_in("t")
    schema = responses[str(refused.status_code)]["content"]["application/json"]["schema"]
    validate(document, schema, refused.json())
    with pytest.raises(jsonschema.ValidationError):
        validate(document, schema, refused.json() | {"code": "something-else"})
    assert set(refused.json()) == set(Problem.__struct_fields__) - {"item"}


def validate(document: dict[str, Any], schema: dict[str, Any], instance: Any) -> None:
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(instance)
