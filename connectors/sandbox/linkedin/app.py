"""Simulated LinkedIn: posts, comments, account, OAuth refresh.

Accounts with an even number are organization pages, those with an odd one are members. Uploads are in
`media`, statistics and followers in `statistics`, errors and the text format in `protocol`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.accounts import TOKEN_LIFETIMES, SandboxAccount
from connectors.sandbox.linkedin.media import LinkedInMedia
from connectors.sandbox.linkedin.protocol import (
    LinkedInProtocol,
    denied,
    is_page,
    not_found,
    read_little,
    refuse,
    refuse_duplicate,
    write_little,
)
from connectors.sandbox.linkedin.statistics import LinkedInNumbers
from connectors.sandbox.tokens import judge_token
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, route
from connectors.types import ContentKind, Platform

if TYPE_CHECKING:
    from starlette.routing import Route

    from connectors.sandbox.posts import SandboxPost
    from connectors.sandbox.world import SandboxWorld

_PAGE: Final = 100
_TEXT_LIMIT: Final = 3000
_REQUIRED: Final = ("author", "commentary", "visibility", "distribution", "lifecycleState")
_PLACEHOLDERS: Final[dict[ContentKind, str]] = {"photo": "urn:li:image:C4E1", "video": "urn:li:video:C4E1"}


class LinkedIn:
    """The endpoints of LinkedIn for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._media = LinkedInMedia(world)
        self._numbers = LinkedInNumbers(world)
        self._comments: dict[str, list[dict[str, object]]] = {}
        self._said: dict[tuple[str, str], SandboxPost] = {}
        for post in world.published(Platform.LINKEDIN, via="api"):
            self._said[post.account.key, post.text] = post

    def routes(self) -> list[Route]:
        """Return the routes."""
        protocol = LinkedInProtocol()

        def on(operation: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, protocol, operation, "calls", handler, auth)

        comments = "/rest/socialActions/{urn}/comments"
        return [
            route("/rest/posts", ["POST"], on("publish", self.create)),
            route("/rest/posts", ["GET"], on("read", self.list_posts)),
            route("/rest/posts/{urn}", ["GET"], on("read", self.get_post)),
            route("/rest/posts/{urn}", ["POST"], on("edit", self.edit)),
            route("/rest/posts/{urn}", ["DELETE"], on("delete", self.delete)),
            route(comments, ["POST"], on("publish", self.comment)),
            route(comments, ["GET"], on("read", self.list_comments)),
            route(
                "/rest/organizationalEntityShareStatistics",
                ["GET"],
                on("metrics", self._numbers.page_statistics),
            ),
            route(
                "/rest/memberCreatorPostAnalytics", ["GET"], on("metrics", self._numbers.member_statistics)
            ),
            route("/rest/networkSizes/{urn}", ["GET"], on("followers", self._numbers.page_followers)),
            route("/rest/memberFollowersCount", ["GET"], on("followers", self._numbers.member_followers)),
            route("/rest/organizations/{number}", ["GET"], on("followers", self.get_page)),
            route("/v2/userinfo", ["GET"], on("followers", self.get_member)),
            route("/oauth/v2/accessToken", ["POST"], on("refresh", self.refresh, "none")),
            *self._media.routes(on),
        ]

    # -- posts

    def create(self, call: Call) -> Answer:
        """POST /rest/posts: the id is in the header x-restli-id, the body is empty."""
        account = call.owner
        try:
            body = call.json()
        except ValueError:
            return refuse(400, "ILLEGAL_ARGUMENT", "The request body is not valid JSON")
        missing = [name for name in _REQUIRED if name not in body]
        if missing:
            return refuse(400, "MISSING_FIELD", f"ERROR :: /{missing[0]} :: field is required but not found")
        if body["author"] != account.external_id:
            return denied("posts.CREATE")
        allowed = {"PUBLIC"} if is_page(account) else {"PUBLIC", "CONNECTIONS"}
        if body["lifecycleState"] != "PUBLISHED" or body["visibility"] not in allowed:
            return refuse(400, "INVALID_VALUE", "only posts that are published at once are simulated")
        text = read_little(str(body["commentary"]))
        if len(text) > _TEXT_LIMIT:
            return refuse(
                422, "MAX_LENGTH_EXCEEDED", f"ERROR :: /commentary :: exceeds {_TEXT_LIMIT} characters"
            )
        names = _media_names(body.get("content") or {})
        wrong = self._judge_media(body.get("content") or {}, names, call)
        if wrong is not None:
            return wrong
        if not text.strip() and not names:
            return refuse(400, "MISSING_FIELD", "ERROR :: /commentary :: the post says nothing")
        twin = None if names else self._twin(account, text, call.at)
        if twin is not None:
            return refuse_duplicate(twin)
        kind = _kind_of(text, names)
        urn = None
        if kind == "video":
            urn = f"urn:li:ugcPost:{self._world.next_number(Platform.LINKEDIN, call.at)}"
        post = self._world.add_post(
            account,
            text=text,
            kind=kind,
            at=call.at,
            external_id=urn,
            details={
                "content": body.get("content"),
                "options": {
                    name: body[name] for name in ("visibility", "isReshareDisabledByAuthor") if name in body
                },
            },
        )
        self._said[account.key, text] = post
        return Answer(status=201, raw=b"", headers={"x-restli-id": post.external_id})

    def _judge_media(self, content: dict[str, Any], names: list[str], call: Call) -> Answer | None:
        if any(not self._media.is_ready(name, call.owner, call.at) for name in names):
            return refuse(400, "INVALID_MEDIA", "ERROR :: /content :: the media are not ready or not yours")
        if names and ":document:" in names[0] and not content["media"].get("title"):
            return refuse(400, "MISSING_FIELD", "ERROR :: /content/media/title :: a document needs a title")
        return None

    def list_posts(self, call: Call) -> Answer:
        """GET /rest/posts?q=author&author=, newest first."""
        query = call.query
        if query.get("q") != "author" or "author=urn%3Ali%3A" not in call.request.url.query:
            return refuse(400, "ILLEGAL_ARGUMENT", "q must be author, and author an encoded URN")
        if query.get("author") != call.owner.external_id or not self._may_read(call.owner):
            return denied("posts.FINDER-author")
        if query.get("sortBy", "LAST_MODIFIED") != "LAST_MODIFIED":
            return refuse(400, "ILLEGAL_ARGUMENT", "only sortBy=LAST_MODIFIED is simulated")
        size, start = int(query.get("count", "10")), int(query.get("start", "0"))
        if not 1 <= size <= _PAGE:
            return refuse(400, "ILLEGAL_ARGUMENT", f"count must be between 1 and {_PAGE}")
        paging: dict[str, object] = {"start": start, "count": size, "links": []}
        if call.page_fault == "empty_page":
            return Answer({"paging": paging, "elements": []})
        posts = sorted(self._world.list_posts(call.owner), key=_changed_at, reverse=True)
        page = posts[:size] if call.page_fault == "repeated_cursor" else posts[start : start + size]
        if start + size < len(posts):
            link = {"rel": "next", "type": "application/json", "href": f"/rest/posts?start={start + size}"}
            paging["links"] = [link]
        return Answer({"paging": paging, "elements": [_show(post) for post in page]})

    def get_post(self, call: Call) -> Answer:
        """GET /rest/posts/{urn}."""
        if not self._may_read(call.owner):
            return denied("posts.GET")
        post = self._own(call)
        return not_found("The post") if post is None else Answer(_show(post))

    def delete(self, call: Call) -> Answer:
        """DELETE /rest/posts/{urn}."""
        post = self._own(call)
        if post is None:
            return not_found("The post")
        self._world.delete_post(post, call.at)
        return Answer(status=204, raw=b"")

    def edit(self, call: Call) -> Answer:
        """POST /rest/posts/{urn} with X-RestLi-Method: PARTIAL_UPDATE; only the commentary is simulated."""
        post = self._own(call)
        if post is None:
            return not_found("The post")
        if call.request.headers.get("x-restli-method", "").upper() != "PARTIAL_UPDATE":
            return refuse(400, "ILLEGAL_ARGUMENT", "the header X-RestLi-Method must be PARTIAL_UPDATE")
        try:
            changes = call.json()["patch"]["$set"]
        except (KeyError, TypeError, ValueError):
            return refuse(400, "MISSING_FIELD", "ERROR :: /patch/$set :: field is required but not found")
        if set(changes) != {"commentary"}:
            return refuse(400, "READONLY_FIELD_UPDATED", "only commentary is simulated")
        text = read_little(str(changes["commentary"]))
        if len(text) > _TEXT_LIMIT:
            return refuse(
                422, "MAX_LENGTH_EXCEEDED", f"ERROR :: /commentary :: exceeds {_TEXT_LIMIT} characters"
            )
        edits = int(post.detail("edits") or 0) + 1
        self._world.edit_post(post, text=text, details={"edited_at": call.at, "edits": edits})
        return Answer(status=204, raw=b"")

    def _own(self, call: Call) -> SandboxPost | None:
        post = self._world.find_post(Platform.LINKEDIN, call.path["urn"], call.owner)
        return post if post is not None and post.account is call.owner else None

    def _may_read(self, account: SandboxAccount) -> bool:
        return is_page(account) or self._world.settings.linkedin_member_reads

    def _twin(self, account: SandboxAccount, text: str, at: float) -> SandboxPost | None:
        twin = self._said.get((account.key, text))
        window = self._world.settings.linkedin_duplicate_window_s
        return twin if twin is not None and at - twin.created <= window else None

    # -- comments

    def comment(self, call: Call) -> Answer:
        """POST /rest/socialActions/{urn}/comments."""
        post = self._own(call)
        if post is None:
            return not_found("The post")
        try:
            body = call.json()
            actor, text = body["actor"], str(body["message"]["text"])
            images = [str(item["entity"]["image"]) for item in body.get("content") or ()]
        except (KeyError, TypeError, ValueError):
            return refuse(400, "MISSING_FIELD", "actor and message.text are required")
        if actor != call.owner.external_id:
            return denied("socialActions.CREATE-comments")
        if any(not self._media.is_ready(image, call.owner, call.at) for image in images):
            return refuse(400, "INVALID_MEDIA", "ERROR :: /content :: the images are not ready or not yours")
        number = str(self._world.next_number(Platform.LINKEDIN, call.at))
        comment: dict[str, object] = {
            "id": number,
            "actor": actor,
            "object": post.external_id,
            "commentUrn": f"urn:li:comment:({post.external_id},{number})",
            "created": {"actor": actor, "time": int(call.at * 1000)},
            "message": {"attributes": [], "text": text},
        }
        if images:
            comment["content"] = [{"type": "IMAGE", "entity": {"image": image}} for image in images]
        self._comments.setdefault(post.external_id, []).append(comment)
        return Answer(comment, 201, headers={"x-restli-id": number})

    def list_comments(self, call: Call) -> Answer:
        """GET /rest/socialActions/{urn}/comments: those created through the API."""
        if not self._may_read(call.owner):
            return denied("socialActions.GET_ALL-comments")
        post = self._own(call)
        if post is None:
            return not_found("The post")
        empty = call.page_fault == "empty_page"
        elements = [] if empty else self._comments.get(post.external_id, [])
        return Answer({"paging": {"start": 0, "count": 100, "links": []}, "elements": elements})

    # -- account

    def get_page(self, call: Call) -> Answer:
        """GET /rest/organizations/{number}."""
        account = call.owner
        if account.external_id != f"urn:li:organization:{call.path['number']}":
            return denied("organizations.GET")
        number = int(call.path["number"])
        return Answer({"id": number, "localizedName": account.display_name, "vanityName": account.handle})

    def get_member(self, call: Call) -> Answer:
        """GET /v2/userinfo: the member; for a page's token, its administrator."""
        account = call.owner
        if is_page(account):
            return Answer(
                {"sub": f"admin{account.index}", "name": f"Administrator of {account.display_name}"}
            )
        return Answer({"sub": account.external_id.rpartition(":")[2], "name": account.display_name})

    def refresh(self, call: Call) -> Answer:
        """POST /oauth/v2/accessToken: the refresh token stays the same until its own expiry."""
        form = call.parameters()
        if (
            form.get("grant_type") != "refresh_token"
            or not form.get("client_id")
            or not form.get("client_secret")
        ):
            return _oauth_error("invalid_request", "grant_type, client_id and client_secret are required")
        token = form.get("refresh_token", "")
        who = judge_token(self._world, Platform.LINKEDIN, token, kind="refresh", at=call.at)
        if not isinstance(who, SandboxAccount):
            return _oauth_error("invalid_grant", "The provided refresh token is invalid, expired or revoked")
        self._world.tokens.issue(who, call.at)
        who.refresh_token = token
        return Answer(
            {
                "access_token": who.access_token,
                "expires_in": int(TOKEN_LIFETIMES[Platform.LINKEDIN, "access"] or 0),
                "refresh_token": token,
                "refresh_token_expires_in": 31_000_000,
                "scope": "w_organization_social,r_organization_social,rw_organization_admin",
            }
        )


def _media_names(content: dict[str, Any]) -> list[str]:
    if "multiImage" in content:
        return [str(item.get("id")) for item in content["multiImage"].get("images") or ()]
    return [str(content["media"].get("id"))] if "media" in content else []


def _kind_of(text: str, names: list[str]) -> ContentKind:
    if names:
        return "video" if ":video:" in names[0] else "photo"
    return "link" if "https://" in text or "http://" in text else "text"


def _show(post: SandboxPost) -> dict[str, object]:
    moment, options = int(post.created * 1000), post.detail("options") or {}
    content = post.detail("content")
    if content is None and post.kind in _PLACEHOLDERS:
        content = {"media": {"id": _PLACEHOLDERS[post.kind]}}
    return {
        "id": post.external_id,
        "author": post.account.external_id,
        "commentary": write_little(post.text),
        "visibility": options.get("visibility", "PUBLIC"),
        "distribution": {"feedDistribution": "MAIN_FEED"},
        "lifecycleState": "PUBLISHED",
        "createdAt": moment,
        "publishedAt": moment,
        "lastModifiedAt": int(_changed_at(post) * 1000),
        "isReshareDisabledByAuthor": options.get("isReshareDisabledByAuthor", False),
        **({"content": content} if content else {}),
    }


def _changed_at(post: SandboxPost) -> float:
    return float(post.detail("edited_at") or post.created)


def _oauth_error(code: str, description: str) -> Answer:
    return Answer({"error": code, "error_description": description}, 400)
