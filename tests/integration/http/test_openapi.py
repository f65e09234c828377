"""The API's description: true, complete, and readable without the internet."""

import json
import keyword
import re
from collections.abc import Iterator
from typing import Any, cast

import jsonschema
import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from lastword.http.endpoints import OPERATIONS
from lastword.http.openapi import openapi_document
from lastword.http.problems import CODES
from tests.integration.http.conftest import Edge
from tests.integration.http.test_workflows import GOOD

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi_document(OPERATIONS, version="0.0.0")))
IDS = {
    "startWorkflow", "listWorkflows", "getWorkflow", "getWorkflowHistory", "getWorkflowLogs",
    "getWorkflowResult", "cancelWorkflow", "reconcileWorkflow", "retryWorkflow", "streamWorkflow",
    "streamWorkflows", "streamWorkflowLogs", "listDefinitions", "listExecutors", "getSummary",
    "getTrends", "getConfig", "getLiveness", "getReadiness", "getMetrics", "getSession", "signIn", "signOut",
}  # fmt: skip
"""Generated clients call their functions so: an id may be added, and never changed."""


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each operation with its method and path."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_ids_are_good_names_for_functions() -> None:
    """In every language that clients are generated for; unique in any case, and the same as ever."""
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len({name.lower() for name in ids})
    assert IDS == set(ids)
    for name in ids:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name)
        assert not keyword.iskeyword(name)


def test_the_document_is_openapi_and_every_reference_leads_somewhere() -> None:
    """By the standards' own schemas; no example, link or schema is referred to that is not there."""
    assert [] == list(OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT))
    assert not OPENAPI_31_VALIDATOR.is_valid(DOCUMENT | {"paths": []})
    jsonschema.Draft202012Validator.check_schema({"$defs": DOCUMENT["components"]["schemas"]})
    for reference in re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(DOCUMENT).decode()):
        found: Any = DOCUMENT
        for part in reference.split("/"):
            found = found[part]
    for _, _, operation in operations():
        for response in operation["responses"].values():
            for name, link in response.get("links", {}).items():
                assert {name} <= IDS
                assert name == link["operationId"]


def test_everything_has_an_example_that_fits() -> None:
    """Bodies, answers, problems and places in paths, each valid under its own schema."""
    shown = 0
    for _, _, operation in operations():
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                check(DOCUMENT, parameter["schema"], parameter["example"])
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for content in part.get("content", {}).values():
                examples = [
                    DOCUMENT["components"]["examples"][code]["value"] for code in content.get("examples", ())
                ]
                examples += [content["example"]] if "example" in content else []
                assert examples, operation["operationId"]
                for example in examples:
                    check(DOCUMENT, content["schema"], example)
                    shown += 1
    assert shown > 150


async def test_every_endpoint_is_described(edge: Edge) -> None:
    """What the router knows and the description does not is a page, a file, or a description itself."""
    app = cast("Litestar", edge.server.config.app)
    routes = {
        (method.lower(), re.sub(r":\w+", "", route.path))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods - {"OPTIONS"}
    }
    described = {(method, path) for method, path, _ in operations()}
    assert described <= routes
    rest = {path for _, path in routes - described}
    assert {"/", "/ui", "/ui/{path}", "/schema", "/schema/openapi.json", "/schema/asyncapi.json"} == rest


async def test_the_description_is_served(edge: Edge) -> None:
    """As it is, under an ETag."""
    response = await edge.client.get("/schema/openapi.json")
    assert DOCUMENT == response.json()
    etag = {"If-None-Match": response.headers["etag"]}
    assert 304 == (await edge.client.get("/schema/openapi.json", headers=etag)).status_code


async def test_answers_fit_their_description(edge: Edge) -> None:
    """What the endpoints say is valid under the schemas."""
    document = DOCUMENT
    created = await edge.client.post("/workflows", json=GOOD)
    name = created.json()["id"]
    edge.world.claim(name)
    edge.world.progress(name, 1)
    edge.world.beat(name)
    paths = ["/workflows", "/definitions", "/executors", "/summary", "/config", "/health/ready"]
    paths += [f"/workflows/{name}{part}" for part in ("", "/history", "/logs")]
    for path in paths:
        shown = path.replace(name, "{workflow_id}")
        content = document["paths"][shown]["get"]["responses"]["200"]["content"]["application/json"]
        check(document, content["schema"], (await edge.client.get(path)).json())
    problem = {"$ref": "#/components/schemas/ProblemBody"}
    check(document, problem, (await edge.client.get("/workflows/nobody")).json())


async def test_frames_are_described(edge: Edge) -> None:
    """Every frame of a stream is valid under the schema of its type."""
    document = DOCUMENT
    by_tag = {
        schema["properties"]["type"]["enum"][0]: name
        for name, schema in document["components"]["schemas"].items()
        if "enum" in schema.get("properties", {}).get("type", {})
    }
    edge.world.run("w-1")
    async for frame in edge.frames("/events/workflows/w-1"):
        del frame["_id"]
        check(document, {"$ref": f"#/components/schemas/{by_tag[frame['type']]}"}, frame)
        if frame["type"] == "snapshot":
            edge.world.progress("w-1", 1)
            edge.world.succeed("w-1")


def test_every_problem_is_documented_where_it_happens() -> None:
    """Each code of the edge's table stands in some operation, but those that no operation can have."""
    text = msgspec.json.encode(DOCUMENT).decode()
    documented = set(re.findall(r"`([a-z_]+)`:", text))
    elsewhere = {
        "bad_request",
        "not_found",
        "method_not_allowed",
        "upgrade_required",
        "app_not_built",
        "request_timeout",
        "uri_too_long",
        "headers_too_large",
    }
    assert set(CODES) - elsewhere == documented & set(CODES)


async def test_the_page_for_people_needs_nothing_from_elsewhere(edge: Edge) -> None:
    """No script, no style, no font from another host."""
    page = (await edge.client.get("/schema")).text
    assert "Start a workflow" in page
    assert "/schema/asyncapi.json" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Validate a value under a schema of the description."""
    resolved = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(resolved).validate(value)
