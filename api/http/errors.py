"""Errors as application/problem+json (RFC 9457) with a stable code, a remedy and a retry hint."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from connectors.errors import (
    ConnectorError,
    ContentRejectedError,
    GiveUpError,
    PermissionMissingError,
    RateLimitedError,
    ReauthenticateError,
    RetryLaterError,
)
from warehouse.errors import (
    ConflictError,
    InvalidInputError,
    InvalidShapeError,
    NotFoundError,
    StorageError,
    WarehouseError,
)
from warehouse.shapes import describe_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 50


class ApiError(Exception):
    """An error response; rendered as a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        retryable: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.retryable = retryable
        self.extra = dict(extra or {})


def problem_at(pointer: str, code: str, detail: str, *, status: int = 422, **extra: Any) -> ApiError:  # noqa: ANN401 (becomes JSON)
    """Return an ApiError about one part of the request: a JSON pointer, or the name of a parameter."""
    return ApiError(
        status, code, detail, errors=[{"pointer": pointer, "code": code, "detail": detail, **extra}]
    )


def render_problem(error: ApiError, *, path: str, request_id: str) -> Response:
    """Return the problem document as a response."""
    document: dict[str, Any] = {
        "type": f"urn:socialflow:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "errors": [dict(item) for item in error.errors],
        "request_id": request_id,
        "retryable": error.retryable,
        **error.extra,
    }
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(orjson.dumps(document), error.status, headers, MEDIA_TYPE)


def explain(error: ApiError | WarehouseError) -> ApiError:
    """Return the problem document of an error; the dashboard shows it on a page."""
    return error if isinstance(error, ApiError) else _from_warehouse(error)


def install_error_handlers(app: FastAPI) -> None:
    """Convert every error that a route may raise into a problem document."""
    app.add_exception_handler(ApiError, _handle(lambda error: error))
    app.add_exception_handler(HTTPException, _handle_http)
    # Nobody reads this answer any more; it keeps a body that was cut off from being counted as our fault.
    app.add_exception_handler(ClientDisconnect, _handle(_from_disconnect))
    app.add_exception_handler(RequestValidationError, _handle(_from_validation))
    app.add_exception_handler(WarehouseError, _handle(_from_warehouse))
    app.add_exception_handler(ConnectorError, _handle(_from_connector))


def _handle(convert: Any) -> Any:  # noqa: ANN401 (Starlette types a handler by Exception, each of ours takes one kind)
    async def handler(request: Request, error: Exception) -> Response:
        request_id = request.scope.get("socialflow.request_id", "")
        return render_problem(convert(error), path=request.url.path, request_id=request_id)

    return handler


async def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for it alone)
    if error.status_code == 405 and (allowed := _documented_methods(request)):
        # The router lists only the methods of the first route with this path; other routes may have more.
        error = HTTPException(405, headers={"Allow": ", ".join(allowed)})
    response: Response = await _handle(_from_http)(request, error)
    return response


def _documented_methods(request: Request) -> list[str]:
    """Return the methods of the most specific documented path that matches the request's path."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    fitting = [path for path in paths if compile_path(path)[0].match(request.url.path)]
    if not fitting:
        return []
    methods = [method.upper() for method in paths[min(fitting, key=lambda path: path.count("{"))]]
    return [*methods, "HEAD"] if "GET" in methods else methods


def _from_http(error: HTTPException) -> ApiError:
    codes = {404: "not_found", 405: "method_not_allowed", 400: "malformed_body"}
    details = {
        404: "there is no such endpoint: see /docs",
        405: "this endpoint does not support this method: see the Allow header",
    }
    return ApiError(
        error.status_code,
        codes.get(error.status_code, "http_error"),
        details.get(error.status_code, str(error.detail)),
        headers=error.headers,
    )


def _from_disconnect(_error: ClientDisconnect) -> ApiError:
    return ApiError(400, "body_cut_off", "the connection was closed before the whole body had arrived")


def _from_validation(error: RequestValidationError) -> ApiError:
    errors = []
    for item in error.errors()[:_MOST_ERRORS]:
        place, *path = item["loc"]
        entry = describe_problem(item, path)
        if place != "body":
            entry["pointer"] = ".".join(str(part) for part in path)
        errors.append({**entry, "in": str(place)})
    first = errors[0]
    where = first["pointer"] or "the body"
    return ApiError(422, "invalid_request", f"{where}: {first['detail']}", errors=errors)


def _from_warehouse(error: WarehouseError) -> ApiError:
    match error:
        case NotFoundError():
            return ApiError(404, "not_found", error.message)
        case InvalidShapeError():
            entries = [{**entry, "in": "body"} for entry in error.entries]
            return ApiError(422, error.code, error.message, errors=entries)
        case InvalidInputError():
            return ApiError(422, error.code, error.message, errors=error.entries)
        case ConflictError(code="stale"):
            return ApiError(412, "stale", error.message)
        case ConflictError(code="idempotency_key_reused"):
            return ApiError(422, error.code, error.message)
        case ConflictError(code="idempotency_in_flight"):
            return ApiError(409, error.code, error.message, retryable=True, headers={"Retry-After": "1"})
        case ConflictError():
            extra = {"existing_id": error.existing_id} if error.existing_id else {}
            return ApiError(409, error.code, error.message, extra=extra)
        case StorageError():
            return ApiError(503, error.code, error.message, retryable=True)
        case _:
            logger.error("setup error: %s", error.message)
            return ApiError(
                503, error.code, "the server is not set up correctly: see its log", retryable=True
            )


def _from_connector(error: ConnectorError) -> ApiError:
    """Convert a platform's error: its message, and whether a retry may help."""
    match error:
        case ReauthenticateError() | PermissionMissingError():
            return problem_at("/access_token", "token_refused", f"the platform refused it: {error.message}")
        case RateLimitedError():
            return ApiError(
                503, error.code, error.message, retryable=True, headers=_retry_after(error.retry_at)
            )
        case RetryLaterError():
            return ApiError(
                502, error.code, error.message, retryable=True, headers=_retry_after(error.retry_at)
            )
        case GiveUpError() | ContentRejectedError():
            return ApiError(422, error.code, error.message)
        case _:
            return ApiError(502, error.code, error.message, retryable=True)


def _retry_after(at: datetime | None) -> dict[str, str]:
    if at is None:
        return {}
    # An HTTP date, because the platform gives an absolute time: independent of our clock.
    return {"Retry-After": at.strftime("%a, %d %b %Y %H:%M:%S GMT")}
