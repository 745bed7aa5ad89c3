"""The OpenAPI document: schemas from the wire's own types, and every error of every route by its code."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Annotated, Any, Final

import msgspec

from tutela.errors import TutelaError
from tutela.provider.problems import STATUS
from tutela.provider.review.policy import Policy
from tutela.wire.document import Document
from tutela.wire.manifest import Manifest
from tutela.wire.report import Addition, ReadingTimes, Receipt, Report, ReportStatus
from tutela.wire.session import Problem, Session, SignIn

OCTETS: Final = "application/octet-stream"
JSON: Final = "application/json"

Json = dict[str, Any]


class Health(Document, frozen=True):
    """The service is up and reaches its database."""

    status: Annotated[str, msgspec.Meta(pattern="^ok$")]
    epoch: int | None
    """The newest epoch, if one is published."""


_ENVELOPE: Final[Json] = {
    "title": "Envelope",
    "description": "A DSSE envelope (Dead Simple Signing Envelope, protocol 1.0.2). Verify it before you read it.",
    "type": "object",
    "properties": {
        "payloadType": {"type": "string", "const": "application/vnd.tutela.manifest.v1+json"},
        "payload": {
            "type": "string",
            "contentEncoding": "base64",
            "contentMediaType": JSON,
            "contentSchema": {"$ref": "#/components/schemas/Manifest"},
        },
        "signatures": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "keyid": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                    "sig": {"type": "string", "contentEncoding": "base64"},
                },
                "required": ["keyid", "sig"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["payloadType", "payload", "signatures"],
    "additionalProperties": False,
}


def reference(name: str) -> Json:
    """Return a reference to the schema `name`."""
    return {"$ref": f"#/components/schemas/{name}"}


def success(description: str, media_type: str, schema: Json, **headers: str) -> Json:
    """Return the description of an answer."""
    described = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }
    return {"description": description, "headers": described, "content": {media_type: {"schema": schema}}}


def problems(*errors: type[TutelaError]) -> dict[int | str, Json]:
    """Return the descriptions of these errors' answers, by status."""
    by_status: dict[int, list[type[TutelaError]]] = defaultdict(list)
    for error in errors:
        by_status[STATUS[error]].append(error)
    return {status: _problem(kinds) for status, kinds in sorted(by_status.items())}


def _problem(kinds: list[type[TutelaError]]) -> Json:
    lines = [f"`{kind.code}`: {(kind.__doc__ or '').splitlines()[0]}" for kind in kinds]
    schema = {
        "allOf": [reference("Problem"), {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}],
    }
    return {"description": "\n\n".join(lines), "content": {JSON: {"schema": schema}}}


def completed(document: Json) -> Json:
    """Return FastAPI's document with our schemas, and without what our routes never answer."""
    documents = (SignIn, Session, Problem, Health, Manifest, Report, Receipt, Addition, ReportStatus, ReadingTimes)
    _, schemas = msgspec.json.schema_components(documents, ref_template="#/components/schemas/{name}")
    # A manifest has a policy, too: the names of the other one's parts begin with its own.
    _, review = msgspec.json.schema_components((Policy,), ref_template="#/components/schemas/Review{name}")
    schemas |= {f"Review{name}": schema for name, schema in review.items()}
    # JSON Schema writes regular expressions as ECMA-262 does, where `$` means what Python calls `\Z`.
    portable = json.loads(json.dumps(schemas).replace("\\\\Z", "$"))
    document["components"] = {
        "schemas": dict(sorted({**portable, "Envelope": _ENVELOPE}.items())),
        "securitySchemes": {
            "session": {"type": "http", "scheme": "bearer", "description": "A session from `POST /v1/session`."}
        },
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                operation["responses"].pop("422")
    return document
