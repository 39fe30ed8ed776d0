"""All platforms as data: limits, features and options, from which clients build their forms and counters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from connectors.capabilities import CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.content.capabilities import Capabilities
    from connectors.types import Platform


def describe_platforms(only: Platform | None = None) -> list[dict[str, Any]]:
    """Return every platform, or only one, sorted by name. Computed once: callers do not change what they get."""
    return [_describe(platform) for platform in sorted(CAPABILITIES) if only in {None, platform}]


@cache
def _describe(platform: Platform) -> dict[str, Any]:
    capabilities = CAPABILITIES[platform]
    limit = capabilities.publishing_limit
    return {
        "platform": capabilities.platform.value,
        "label": capabilities.label,
        "api_version": capabilities.api_version,
        "text": {
            "limit": capabilities.text_limit,
            "unit": capabilities.text_unit,
            "limit_with_media": capabilities.text_limit_with_media,
            "byte_limit": capabilities.text_byte_limit,
            "required": capabilities.text_required,
            "refused_characters": capabilities.refused_characters,
            "link_in_text": capabilities.link_in_text,
        },
        "media": {
            "kinds": sorted(capabilities.media_kinds),
            "required": capabilities.media_required,
            "max_images": capabilities.max_images,
            "max_videos": capabilities.max_videos,
            "max_image_bytes": capabilities.max_image_bytes,
            "max_video_bytes": capabilities.max_video_bytes,
            "fetched_by_address": sorted(capabilities.fetches_media),
            "alt_text_kinds": sorted(capabilities.alt_text_kinds),
            "alt_text_limit": capabilities.alt_text_limit,
            "image_types": sorted(capabilities.image_types) if "image" in capabilities.media_kinds else [],
            "max_image_pixels": capabilities.max_image_pixels,
            "max_documents": capabilities.max_documents,
            "max_document_bytes": capabilities.max_document_bytes,
            "max_document_pages": capabilities.max_document_pages,
            "in_thread": dict(capabilities.thread_media),
            "in_first_comment": dict(capabilities.comment_media),
        },
        "supports_thread": capabilities.supports_thread,
        "supports_first_comment": capabilities.supports_first_comment,
        "supports_unpublish": capabilities.supports_unpublish,
        "editing": _describe_editing(capabilities),
        "why_no_edit": None if capabilities.editing else capabilities.why_no_edit,
        "needs_instance_url": capabilities.needs_instance_url,
        "needs_handle": capabilities.needs_handle,
        "metrics": dict(capabilities.metrics),
        "lists_posts": capabilities.lists_posts,
        "finds_out": capabilities.finds_out,
        "reconciliation": capabilities.reconciliation,
        "publishing_limit": None
        if limit is None
        else {"posts": limit.posts, "window_seconds": int(limit.window.total_seconds())},
        "options": _describe_options(capabilities),
        "options_schema": capabilities.options.model_json_schema(),
    }


def _describe_editing(capabilities: Capabilities) -> dict[str, Any] | None:
    editing = capabilities.editing
    if editing is None:
        return None
    return {
        "fields": sorted(editing.fields),
        "options": sorted(editing.options),
        "cost": editing.cost,
    }


def _describe_options(capabilities: Capabilities) -> list[dict[str, Any]]:
    schema = capabilities.options.model_json_schema()
    return [
        {
            "name": name,
            "type": _name_type(described, schema),
            "choices": _list_choices(described, schema),
            "default": described.get("default"),
            "description": described.get("description", ""),
        }
        for name, described in schema.get("properties", {}).items()
    ]


def _resolve(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in described:
        found: Mapping[str, Any] = schema["$defs"][described["$ref"].rpartition("/")[2]]
        return found
    return described


def _name_type(described: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return string, integer, boolean, array or object; several are joined by "or"."""
    if "anyOf" in described:
        names = [_name_type(one, schema) for one in described["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(names))
    return str(_resolve(described, schema).get("type", "string"))


def _list_choices(described: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Any]:
    """Return the allowed values of an option, or of the items of a list; [] = no fixed set."""
    found: list[Any] = []
    for one in described.get("anyOf", [described]):
        resolved = _resolve(one, schema)
        found += resolved.get("enum", [])
        if isinstance(resolved.get("items"), dict):
            found += resolved["items"].get("enum", [])
    return list(dict.fromkeys(found))
