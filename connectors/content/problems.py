"""`ContentProblem`: why a platform would refuse a content."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContentProblem:
    """Why a platform would refuse a content: `code` for programs, `detail` names the remedy."""

    code: str
    detail: str
    field: str
    """The field of PostContent at fault: "text", "media", "thread", "options/poll", ..."""
