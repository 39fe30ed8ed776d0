"""The `socialflow` command: a table of subcommands whose modules are imported only when they are called."""

from __future__ import annotations

import getpass
import os
import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from flows.cli.output import print_json, say


class Entry(NamedTuple):
    """Module and help text of a command."""

    module: str
    help: str
    app: str = "app"


COMMANDS = {
    "up": Entry("flows.cli.up", "Start SocialFlow on this machine and keep it running."),
    "dashboard": Entry("flows.cli.access.dashboard", "Open the dashboard, signed in."),
    "demo": Entry("flows.cli.demo", "Show the main functions against simulated platforms."),
    "workspace": Entry("flows.cli.workspace", "Show and change the workspace: zone, approval, pause."),
    "workspaces": Entry("flows.cli.workspaces", "Create and list workspaces, separate from each other."),
    "keys": Entry("flows.cli.access.keys", "Create, list and revoke API keys."),
    "sessions": Entry("flows.cli.access.sessions", "List and end dashboard sessions."),
    "audit-log": Entry("flows.cli.access.audit_log", "Who did what: sign-ins, keys, accounts, settings."),
    "accounts": Entry("flows.cli.accounts", "Connect, list, pause and disconnect accounts."),
    "platforms": Entry("flows.cli.posts.platforms", "Limits and options of every platform."),
    "queue": Entry("flows.cli.queue", "Weekly times of an account, taken by posts with --queue."),
    "posts": Entry("flows.cli.posts.commands", "Schedule, change and list posts."),
    "recurrences": Entry("flows.cli.posts.recurrences", "Rules for recurring posts."),
    "schedules": Entry("flows.cli.schedules", "Show the calendar, or write it as iCalendar."),
    "calendar-feeds": Entry("flows.cli.calendar_feeds", "Calendar feeds for calendar apps."),
    "media": Entry("flows.cli.media", "Upload, list and delete pictures and videos."),
    "times": Entry("flows.cli.times", "Find the best times to post."),
    "analytics": Entry("flows.cli.lake.analytics", "Show metrics of posts and accounts."),
    "webhooks": Entry("flows.cli.webhooks", "Send events to other programs."),
    "notify": Entry("flows.cli.notify", "Test the notifications to people."),
    "pause": Entry("flows.cli.pause", "Pause all publishing.", "pause_app"),
    "resume": Entry("flows.cli.pause", "Resume publishing.", "resume_app"),
    "run": Entry("flows.cli.run", "Run one flow now, without a server."),
    "backfill": Entry("flows.cli.backfill", "Read the history of connected accounts."),
    "import-history": Entry("flows.cli.lake.import_history", "Load past posts from an export or archive."),
    "import-followers": Entry(
        "flows.cli.lake.import_followers", "Load past counts of followers from a file."
    ),
    "import-maps": Entry(
        "flows.cli.lake.import_history", "List and remove remembered columns of files.", "mappings_app"
    ),
    "imports": Entry("flows.cli.imports", "List, show and undo imports of past posts."),
    "sql": Entry("flows.cli.lake.sql", "Query the lake in SQL, read-only."),
    "export": Entry("flows.cli.lake.export", "Export the marts: Parquet, CSV or one DuckDB file."),
    "lake": Entry("flows.cli.lake.commands", "Attach and maintain the lake."),
    "backup": Entry(
        "flows.cli.installation.backup", "Write the whole installation to one file.", "backup_app"
    ),
    "restore": Entry(
        "flows.cli.installation.backup", "Verify a backup and put it into an empty home.", "restore_app"
    ),
    "migrate-to": Entry(
        "flows.cli.installation.move", "Move the installation to servers, or back.", "move_app"
    ),
    "upgrade": Entry(
        "flows.cli.installation.upgrade", "Update store and lake to this version.", "upgrade_app"
    ),
    "mcp": Entry("flows.cli.mcp", "Serve tools to an AI assistant (MCP)."),
    "sandbox": Entry("flows.cli.sandbox", "Start only the simulated platforms."),
    "prefect-auth": Entry("flows.cli.prefect_auth", "Print the credentials of the Prefect UI."),
    "secrets": Entry("flows.cli.access.secrets", "Give this installation a new master key."),
    "doctor": Entry("flows.cli.installation.doctor", "Check this installation."),
}


_GIVEN = "flows.cli.given_options"


def _user_name() -> str:
    """Return who types the command, for the audit log: the system's name, or number where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # KeyError: before Python 3.13
        return f"uid {os.getuid()}"


class LazyCommand(TyperCommand):
    """Placeholder of a command in the overview; the real command is imported when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 (the types are Typer's private ones)
        """Import the command and parse its arguments."""
        entry = COMMANDS[str(self.name)]
        app = getattr(import_module(entry.module), entry.app)
        return typer.main.get_command(app).make_context(info_name, args, parent, **extra)


class TableOfContents(TyperGroup):
    """Command group that reads the table above and prints known errors as one sentence."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 (Typer's signature)
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ANN401, ARG002 (Typer's signature)
        """Return the placeholder of a command."""
        entry = COMMANDS.get(cmd_name)
        return entry and LazyCommand(cmd_name, help=entry.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 (Typer's signature)
        """Return the command of the arguments; for a typing error, name the one that was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"No such command {args[0]!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (Typer's signature)
        """Note which options are given: errors name them, and with --json are printed as JSON, too."""
        ctx.meta[_GIVEN] = frozenset(word.partition("=")[0] for word in args if word.startswith("--"))
        return list(super().parse_args(ctx, args))

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (Typer's signature)
        """Run the command. A known error is one sentence on stderr and exit code 1, without a traceback.

        With --json, the error is also printed on stdout, with the same `code` as in the HTTP API.
        """
        from warehouse.store.audit.actors import Actor, act_as  # noqa: PLC0415 (not for --help)

        act_as(Actor("command_line", _user_name()))
        try:
            return super().invoke(ctx)
        except Exception as error:
            from flows.cli.errors import describe_problem, explain  # noqa: PLC0415 (only needed for errors)

            sentence = explain(error, ctx.meta[_GIVEN])
            if sentence is None:
                raise
            say(f"error: {sentence}")
            if "--json" in ctx.meta[_GIVEN]:
                print_json(describe_problem(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=TableOfContents, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 (Typer's callback)
    if asked:
        sys.stdout.write(f"socialflow {version('socialflow')}\n")
        raise typer.Exit


@app.callback()
def main(
    *,
    version_: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """SocialFlow: schedule posts, publish each exactly once, measure, and learn when to post next."""
