"""Public pages: front page and API documentation, rendered on the server without external resources."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

router = APIRouter(include_in_schema=False)

_templates = Environment(
    loader=PackageLoader("api.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _mark_code(text: str) -> Markup:
    """Return the HTML-escaped text with `backticks` rendered as code."""
    parts = text.split("`")
    shown = (
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts)
    )
    return Markup("").join(shown)


_templates.filters["mark_code"] = _mark_code
_METHODS = ("get", "post", "patch", "put", "delete")


@router.get("/")
def show_front_page() -> HTMLResponse:
    """Show the front page with links."""
    return HTMLResponse(_templates.get_template("front.html").render())


@router.get("/openapi.json")
@router.get("/api/v1/openapi.json")
def show_openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")


@router.get("/docs")
def show_documentation(request: Request) -> HTMLResponse:
    """Show the API documentation."""
    page = _templates.get_template("documentation.html").render(
        document=request.app.openapi(), groups=_group(request.app.openapi())
    )
    return HTMLResponse(page)


@router.get("/redoc")
def redirect_to_documentation() -> RedirectResponse:
    """Redirect FastAPI's other documentation path to ours."""
    return RedirectResponse("/docs")


def _group(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations by tag, each with everything the page shows."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            operation = item[method]
            groups.setdefault(operation.get("tags", ["Other"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "id": operation["operationId"],
                    "summary": operation.get("summary", ""),
                    "description": operation.get("description", ""),
                    "parameters": [_parameter(one) for one in operation.get("parameters", ())],
                    "fields": _fields(document, _body_schema(operation)),
                    "example": _example(document, _body_schema(operation)),
                    "answers": [
                        {"status": status, "description": answer["description"]}
                        for status, answer in sorted(operation["responses"].items())
                    ],
                    "answer_fields": _fields(document, _answer_schema(operation)),
                    "needs_token": bool(operation.get("security")),
                }
            )
    return groups


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter["name"],
        "in": parameter["in"],
        "type": _type_name(parameter.get("schema", {})),
        "required": parameter.get("required", False),
        "description": parameter.get("description", ""),
    }


def _body_schema(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return schema


def _answer_schema(operation: dict[str, Any]) -> dict[str, Any]:
    for status in ("200", "201"):
        content = operation["responses"].get(status, {}).get("content", {})
        if schema := content.get("application/json", {}).get("schema"):
            return dict(schema)
    return {}


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Resolve references; of alternatives, return the first that is an object."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "properties" not in schema and schema.get("anyOf"):
            schema = schema["anyOf"][0]
        else:
            return schema


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    resolved = _resolve(document, schema)
    required = resolved.get("required", ())
    return [
        {
            "name": name,
            "type": _type_name(field),
            "required": name in required,
            "description": field.get("description", ""),
        }
        for name, field in resolved.get("properties", {}).items()
    ]


def _example(document: dict[str, Any], schema: dict[str, Any]) -> str:
    example = _resolve(document, schema).get("example")
    return orjson.dumps(example, option=orjson.OPT_INDENT_2).decode() if example else ""


def _type_name(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(_type_name(one) for one in schema[word]))
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_type_name(schema.get('items', {}))}"
    if schema.get("format"):
        return f"{schema['type']} ({schema['format']})"
    return str(schema.get("type", schema.get("const", "any")))
