"""The `socialflow` command: a table of contents. Each command's module is imported when it is called for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterator


class Entry(NamedTuple):
    """Where a command is, and what it does."""

    module: str
    help: str
    app: str = "app"


COMMANDS = {
    "up": Entry("flows.cli.up", "Start everything and keep it running."),
    "demo": Entry("flows.cli.demo", "Show it all against simulated platforms."),
    "keys": Entry("flows.cli.keys", "Make, list and revoke API keys."),
    "workspaces": Entry("flows.cli.workspaces", "Make and list workspaces, which see nothing of each other."),
    "accounts": Entry("flows.cli.accounts", "Connect, list and pause accounts."),
    "webhooks": Entry("flows.cli.webhooks", "Tell other programs what happens, and see how that went."),
    "posts": Entry("flows.cli.posts", "Schedule posts, and see what became of them."),
    "times": Entry("flows.cli.times", "Tell when to post, in words."),
    "pause": Entry("flows.cli.pause", "Hold back everything that has not been sent.", "pause_app"),
    "resume": Entry("flows.cli.pause", "Let posts go out again.", "resume_app"),
    "run": Entry("flows.cli.run", "Run one flow now, without a server."),
    "backfill": Entry("flows.cli.backfill", "Read the history of connected accounts."),
    "import-history": Entry("flows.cli.import_history", "Load a history from CSV or Parquet."),
    "sql": Entry("flows.cli.sql", "Ask the lake in SQL, read-only."),
    "export": Entry("flows.cli.export", "Take the marts along: Parquet, CSV or one DuckDB file."),
    "lake": Entry("flows.cli.lake", "Reach and keep up the lake."),
    "mcp": Entry("flows.cli.mcp", "Offer reading and drafting to an assistant (MCP)."),
    "sandbox": Entry("flows.cli.sandbox", "Start the simulated platforms alone."),
    "doctor": Entry("flows.cli.doctor", "Check this installation."),
}


class LazyCommand(TyperCommand):
    """Stands for a command in the overview and becomes the real one when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 (the types are Typer's private ones)
        """Import the command and let it read its arguments."""
        entry = COMMANDS[str(self.name)]
        app = getattr(import_module(entry.module), entry.app)
        return typer.main.get_command(app).make_context(info_name, args, parent, **extra)


class TableOfContents(TyperGroup):
    """The commands by the table above; errors that a person can do something about are one sentence."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 (Typer's signature)
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ANN401, ARG002 (Typer's signature)
        """Return the stand-in of a command."""
        entry = COMMANDS.get(cmd_name)
        return entry and LazyCommand(cmd_name, help=entry.help)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (Typer's signature)
        """Run the command. A known error is one sentence on stderr and exit code 1, never a traceback."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            sentence = " ".join(_explain(error))
            if not sentence:
                raise
            sys.stderr.write(f"error: {sentence}\n")
            raise typer.Exit(1) from None


def _explain(error: Exception) -> Iterator[str]:
    """Yield the words of an error whose message was written for a person; nothing for any other."""
    from connectors.errors import ConnectorError  # noqa: PLC0415 (only once something is wrong)
    from flows.errors import FlowError  # noqa: PLC0415 (same)
    from warehouse.errors import WarehouseError  # noqa: PLC0415 (same)

    if isinstance(error, (WarehouseError, ConnectorError, FlowError)):
        yield str(error)
    elif type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        # pydantic-settings: the name of the field is the name of the environment variable.
        for problem in error.errors():
            field = "_".join(str(part) for part in problem["loc"])
            yield f"SOCIALFLOW_{field.upper()}: {problem['msg']}."


app = typer.Typer(
    cls=TableOfContents, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback()
def main() -> None:
    """SocialFlow: schedule posts, publish each exactly once, measure, and learn when to post next."""
