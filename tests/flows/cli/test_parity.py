"""What the HTTP API can do, the command line can do: every operation has a command, or a written reason for none."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import typer.main

from flows.cli import COMMANDS
from tests.api.operations import DOCUMENT, Operation

METHODS = ("get", "post", "put", "patch", "delete")

AS_COMMAND = {
    # posts
    "create_post": "posts create",
    "create_posts": "posts bulk",
    "list_posts": "posts list",
    "get_post": "posts show",
    "update_post": "posts edit",
    "cancel_post": "posts delete",
    "reschedule_post": "posts reschedule",
    "retry_post": "posts retry",
    "resolve_publication": "posts resolve",
    "unpublish_post": "posts unpublish",
    "mark_post_paid": "posts mark-paid",
    "validate_post": "posts validate",
    "approve_post": "posts approve",
    "reject_post": "posts reject",
    "export_posts": "posts export",
    "export_calendar": "schedules export",
    # recurring posts
    "create_recurrence": "recurrences create",
    "list_recurrences": "recurrences list",
    "get_recurrence": "recurrences show",
    "update_recurrence": "recurrences edit",
    "delete_recurrence": "recurrences delete",
    "preview_recurrence": "recurrences preview",
    # media
    "upload_media": "media upload",
    "list_media": "media list",
    "get_media": "media show",
    "get_media_content": "media download",
    "delete_media": "media delete",
    # calendar and times
    "get_calendar": "schedules show",
    "get_calendar_feed": "schedules export",
    "create_calendar_feed": "calendar-feeds create",
    "list_calendar_feeds": "calendar-feeds list",
    "rotate_calendar_feed": "calendar-feeds rotate",
    "revoke_calendar_feed": "calendar-feeds revoke",
    "get_optimal_times": "times",
    "suggest_times": "times suggest",
    "score_time": "times score",
    "list_queue_slots": "queue list",
    "create_queue_slot": "queue add",
    "update_queue_slot": "queue move",
    "delete_queue_slot": "queue remove",
    # analytics
    "get_overview": "analytics overview",
    "rank_posts": "analytics posts",
    "get_post_metrics": "analytics post",
    "list_account_metrics": "analytics accounts",
    "get_account_metrics": "analytics account",
    "get_timing_lift": "analytics timing-lift",
    "get_decay": "analytics decay",
    "get_frequency": "analytics frequency",
    "export_table": "analytics export",
    # files of past posts
    "upload_import": "import-history",
    "list_import_maps": "import-maps list",
    "delete_import_map": "import-maps remove",
    "list_imports": "imports list",
    "get_import": "imports show",
    "start_import": "imports start",
    "undo_import": "imports undo",
    "delete_import": "imports delete",
    # accounts
    "list_accounts": "accounts list",
    "get_account": "accounts show",
    "list_boards": "accounts boards",
    "connect_account": "accounts connect",
    "start_account_connection": "accounts connect",
    "update_account": "accounts set",
    "pause_account": "accounts pause",
    "resume_account": "accounts resume",
    "disconnect_account": "accounts disconnect",
    # platforms
    "list_platforms": "platforms",
    # workspace and keys
    "get_workspace": "workspace show",
    "update_workspace": "workspace set",
    "pause_workspace": "workspace pause",
    "resume_workspace": "workspace resume",
    "create_api_key": "keys create",
    "list_api_keys": "keys list",
    "get_api_key": "keys show",
    "revoke_api_key": "keys revoke",
    "list_sessions": "sessions list",
    "end_session": "sessions end",
    "list_audit_log": "audit-log",
    # webhooks
    "create_webhook": "webhooks create",
    "list_webhooks": "webhooks list",
    "get_webhook": "webhooks show",
    "update_webhook": "webhooks change",
    "delete_webhook": "webhooks delete",
    "rotate_webhook_secret": "webhooks rotate",
    "send_test_event": "webhooks test",
    "list_webhook_deliveries": "webhooks deliveries",
    "get_webhook_delivery": "webhooks delivery",
    "replay_webhook_delivery": "webhooks replay",
    "replay_webhook_deliveries": "webhooks replay",
}
"""The command that does what an operation does."""

NO_COMMAND = {
    "create_token": "The command line works on the store itself and needs no token.",
    "finish_account_connection": "Platforms redirect browsers to it; `accounts connect --browser` waits for it.",
    "get_health": "Tells a supervisor that the API process answers; a command is no such process.",
    "get_readiness": "The same; `socialflow doctor` checks the installation.",
    "get_metrics": "Metrics of the API process for Prometheus; a command has none.",
}
"""Why an operation has no command."""

OPERATIONS = sorted(
    item[method]["operationId"] for item in DOCUMENT["paths"].values() for method in METHODS if method in item
)


def _walk(name: str, command: Any) -> dict[str, Any]:
    """Return a command and all below it, by the words that a person types."""
    found = {name: command}
    for word, below in getattr(command, "commands", {}).items():
        found |= _walk(f"{name} {word}", below)
    return found


COMMAND_TREE: dict[str, Any] = {}
for _name, _entry in COMMANDS.items():
    _app = getattr(import_module(_entry.module), _entry.app)
    COMMAND_TREE |= _walk(_name, typer.main.get_command(_app))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_command_or_a_reason(operation: str) -> None:
    assert (operation in AS_COMMAND) != (operation in NO_COMMAND), (
        f"{operation}: name its command in AS_COMMAND, or write in NO_COMMAND why it has none"
    )


@pytest.mark.parametrize("command", sorted(set(AS_COMMAND.values())))
def test_every_named_command_exists_and_runs(command: str) -> None:
    assert command in COMMAND_TREE, f"there is no command `socialflow {command}`"
    found = COMMAND_TREE[command]
    # A group is only a command where it does something by itself, as `socialflow times` does.
    assert not hasattr(found, "commands") or found.invoke_without_command


def test_the_tables_name_no_operation_that_is_gone() -> None:
    assert (AS_COMMAND.keys() | NO_COMMAND.keys()) - set(OPERATIONS) == set()


def test_commands_print_json_explain_themselves_and_ask_before_they_destroy() -> None:
    speechless = {"schedules export", "media download", "analytics export", "webhooks delete"}
    for words in set(AS_COMMAND.values()):
        command = COMMAND_TREE[words]
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options or words in speechless, words
        assert command.help, words
        for parameter in command.params:
            if any(option.startswith("--") for option in parameter.opts):
                assert parameter.help, f"{words} {parameter.opts}: no help text"
        if words.split()[-1] in {"delete", "revoke", "disconnect", "remove"}:
            assert "--yes" in options, words


SAME_THING = {
    "access_token": "token",
    "account_id": "account",
    "account_ids": "account",
    "approval_required": "approval",
    "disconnected": "all",
    "enabled": "pause",
    "events": "event",
    "exdate": "skip",
    "exdates": "skip",
    "gap_minutes": "gap",
    "media": "image",
    "mode": "each",
    "options": "option",
    "platforms": "platform",
    "publication_ids": "publication",
    "recurrence_id": "recurrence",
    "rrule": "rule",
    "scheduled_at": "at",
    "scopes": "scope",
    "status": "draft",
    "variants": "variant",
    "weights": "weight",
}
"""Fields of the API whose option has another name."""

OTHER_COMMAND = {
    ("start_account_connection", "account"): "accounts connect --page",
    ("update_webhook", "enabled"): "webhooks pause, webhooks resume",
    ("get_optimal_times", "weight"): "times together --weight",
}
"""Fields that another option or command stands for."""

NO_OPTION = {
    ("upload_import", "start"): "The command imports at once, unless --dry-run.",
    ("start_account_connection", "return_url"): "The command itself waits for the browser.",
    ("get_calendar_feed", "token"): "The command works on the store itself and needs no token.",
    ("list_api_keys", "limit"): "The command prints every key.",
}
"""Fields without an option, and why. `cursor` is everywhere: a command prints as many as --limit says."""

FIELDS = [
    (operation.id, name)
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item and (operation := Operation(path, method, item[method])).id in AS_COMMAND
    for name in sorted({*operation.query_parameters, *(operation.body_schema or {}).get("properties", {})})
    if name != "cursor"
]


def _has_option(command: str, name: str) -> bool:
    options = {option for parameter in COMMAND_TREE[command].params for option in parameter.opts}
    words = {
        parameter.name
        for parameter in COMMAND_TREE[command].params
        if parameter.param_type_name == "argument"
    }
    return f"--{name.replace('_', '-')}" in options or name in words


@pytest.mark.parametrize(("operation", "name"), FIELDS, ids=str)
def test_every_field_has_an_option(operation: str, name: str) -> None:
    if (operation, name) in NO_OPTION:
        return
    if other := OTHER_COMMAND.get((operation, name)):
        for words in other.split(", "):
            command, _, option = words.partition(" --")
            assert command in COMMAND_TREE
            assert not option or _has_option(command, option)
        return
    command = AS_COMMAND[operation]
    assert _has_option(command, name) or _has_option(command, SAME_THING.get(name, name)), (
        f"`socialflow {command}` has no option for {name}"
    )


def test_the_tables_name_no_field_that_is_gone() -> None:
    assert (OTHER_COMMAND.keys() | NO_OPTION.keys()) - set(FIELDS) == set()
    assert SAME_THING.keys() - {name for _, name in FIELDS} == set()
