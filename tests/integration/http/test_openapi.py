"""The API's description: true, complete, and readable without the internet."""

import re
from typing import Any

import jsonschema
import msgspec

from lastword.http.problems import CODES
from tests.integration.http.conftest import Edge
from tests.integration.http.test_workflows import GOOD


async def document_of(edge: Edge) -> dict[str, Any]:
    """Return the description."""
    response = await edge.client.get("/schema/openapi.json")
    document: dict[str, Any] = response.json()
    return document


async def test_every_endpoint_is_described(edge: Edge) -> None:
    """All paths that answer JSON or events, each operation under an id that a generated client can use."""
    document = await document_of(edge)
    assert "3.1.0" == document["openapi"]
    described = {
        (method, path): operation["operationId"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {
        "startWorkflow", "listWorkflows", "getWorkflow", "getWorkflowHistory", "getWorkflowLogs",
        "getWorkflowResult", "cancelWorkflow", "reconcileWorkflow", "retryWorkflow", "streamWorkflow",
        "streamWorkflows", "streamWorkflowLogs", "listDefinitions", "listExecutors", "getSummary",
        "getConfig", "getLiveness", "getReadiness", "getMetrics", "getSession", "signIn", "signOut",
    } == set(described.values())  # fmt: skip
    assert len(set(described.values())) == len(described)


async def test_answers_fit_their_description(edge: Edge) -> None:
    """What the endpoints say is valid under the schemas; so are the examples."""
    document = await document_of(edge)
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
    for methods in document["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    if "example" in content:
                        check(document, content["schema"], content["example"])
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "example" in content:
                    check(document, content["schema"], content["example"])
    problem = {"$ref": "#/components/schemas/ProblemBody"}
    check(document, problem, (await edge.client.get("/workflows/nobody")).json())


async def test_frames_are_described(edge: Edge) -> None:
    """Every frame of a stream is valid under the schema of its type."""
    document = await document_of(edge)
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


async def test_every_problem_is_documented_where_it_happens(edge: Edge) -> None:
    """Each code of the edge's table stands in some operation, but those that no operation can have."""
    text = msgspec.json.encode(await document_of(edge)).decode()
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
    assert "startWorkflow" not in page or "/workflows" in page
    assert "Start a workflow" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Validate a value under a schema of the description."""
    resolved = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(resolved).validate(value)
