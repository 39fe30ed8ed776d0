"""Endpoint of the platforms' limits and options."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.http.dependencies import Reader
from api.http.schemas import problems
from api.platforms.schemas import PlatformList
from warehouse.planning.platforms import describe_platforms
from warehouse.platforms import parse_platform

router = APIRouter(prefix="/platforms", tags=["Platforms"])


@router.get(
    "",
    operation_id="list_platforms",
    summary="List platforms with their limits and options",
    responses=problems(401, 403, 422, 429),
)
def list_platforms(
    _caller: Reader,
    *,
    platform: Annotated[str | None, Query(max_length=40, description="Only this platform.")] = None,
) -> PlatformList:
    """List every limit and option as data, to build forms and counters from."""
    only = None if platform is None else parse_platform(platform)
    return PlatformList.model_validate({"data": describe_platforms(only)})
