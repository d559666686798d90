"""Renders the reference of the API from its description as OpenAPI: every request, and the fields of what is sent."""

from collections.abc import Mapping
from typing import Any, Final
from unittest.mock import MagicMock

from orchestrator.api import app

_Schema = Mapping[str, Any]
_BELOW: Final = "/api/v1"
_REF: Final = "#/components/schemas/"


def render() -> str:
    """Return the page."""
    described = app.description(app.routes(MagicMock()))
    schemas = described["components"]["schemas"]
    rows = [
        _request(method, path, asked)
        for path, methods in described["paths"].items()
        for method, asked in methods.items()
    ]
    bodies = [_body(name, schema) for name, schema in schemas.items() if schema["type"] == "object"]
    return "\n".join(
        [
            "# API",
            "",
            described["info"]["description"],
            "",
            "[Use the API](../how-to/api.md) says how. All paths are below `/api/v1`; `/openapi.json` is for programs.",
            "",
            "| request | role | parameters, and what is sent | answer |",
            "|---|---|---|---|",
            *rows,
            "",
            "## What is sent",
            *bodies,
            "",
        ]
    )


def _request(method: str, path: str, asked: _Schema) -> str:
    given = [f"`{each['name']}`" for each in asked.get("parameters", []) if each["in"] != "path"]
    sent = asked.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    given += [_allowed(sent)] if sent else []
    fine = next(answer["description"] for status, answer in sorted(asked["responses"].items()) if status < "300")
    request = f"`{method.upper()} {path.removeprefix(_BELOW)}`"
    cells = (request, asked.get("x-role", "no token"), ", ".join(given), fine.strip())
    return f"| {' | '.join(cells)} |"


def _body(name: str, schema: _Schema) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{field}` | {'yes' if field in required else ''} | {_allowed(each)} | {each.get('description', '')} |"
        for field, each in schema["properties"].items()
    ]
    head = [
        "",
        f"### {name}",
        "",
        schema["description"],
        "",
        "| field | required | allowed | meaning |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def _allowed(schema: _Schema) -> str:
    """The values of a field in words, or the body that it is."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return ", or ".join(filter(None, map(_allowed, schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kinds = {"string": "text", "integer": "number", "boolean": "`true` or `false`", "object": "object", "null": ""}
    kind = kinds[schema["type"]] if schema else ""
    return f"{kind} of up to {schema['maxLength']} characters" if "maxLength" in schema else kind
