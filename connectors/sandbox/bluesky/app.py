"""Simulated Bluesky PDS: sessions, records, blobs, handles. The AppView's reads are in `appview`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from connectors.sandbox.accounts import SandboxAccount, TokenKind
from connectors.sandbox.bluesky.appview import BlueskyAppView
from connectors.sandbox.bluesky.records import RecordError, RecordStore, StoredRecord, build_cid
from connectors.sandbox.identifiers import build_tid
from connectors.sandbox.tokens import judge_token, revoke_tokens, rotate_tokens
from connectors.sandbox.wire import Answer, Auth, Call, Endpoint, Handler, bearer_token, route
from connectors.types import Platform

if TYPE_CHECKING:
    from starlette.routing import Route

    from connectors.sandbox.limits import LimitState
    from connectors.sandbox.world import SandboxWorld

_BLOB_LIMIT: Final = 100_000_000


def xrpc_error(status: int, error: str, message: str) -> Answer:
    """Return an error in XRPC's format."""
    return Answer({"error": error, "message": message}, status)


class BlueskyProtocol:
    """Token checks, error responses and headers of a PDS."""

    platform = Platform.BLUESKY

    def authenticate(self, call: Call, kind: TokenKind) -> SandboxAccount | Answer:
        """Return the account of the token. An invalid token is a 400, a missing one a 401."""
        token = bearer_token(call)
        if token is None:
            return xrpc_error(401, "AuthMissing", "Authentication Required")
        who = judge_token(call.world, self.platform, token, kind=kind, at=call.at)
        if isinstance(who, SandboxAccount):
            return who
        if who == "unknown":
            return xrpc_error(400, "InvalidToken", "Token could not be verified")
        return xrpc_error(
            400, "ExpiredToken", f"Token has {'expired' if who == 'expired' else 'been revoked'}"
        )

    def refuse(self, kind: str, *, reset: float, at: float) -> Answer:
        """Return the error response."""
        if kind == "rate_limited":
            answer = xrpc_error(429, "RateLimitExceeded", "Rate Limit Exceeded")
            answer.headers["retry-after"] = str(max(0, int(-(-(reset - at) // 1))))
            return answer
        if kind == "unauthorized":
            return xrpc_error(400, "InvalidToken", "Token could not be verified")
        if kind == "forbidden":
            return xrpc_error(403, "Forbidden", "Insufficient scope for this operation")
        return xrpc_error(500, "InternalServerError", "Internal Server Error")

    def limit_headers(self, state: LimitState) -> dict[str, str]:
        """Return RateLimit-*; the reset is in Unix seconds."""
        return {
            "ratelimit-limit": str(state.limit),
            "ratelimit-remaining": str(state.remaining),
            "ratelimit-reset": str(int(-(-state.reset // 1))),
            "ratelimit-policy": f"{state.limit};w={int(state.window)}",
        }


class Bluesky:
    """The endpoints of a PDS, and of its AppView, for one world."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._protocol = BlueskyProtocol()
        self._records = RecordStore(world)

    def routes(self) -> list[Route]:
        """Return the routes, the most used first."""

        def on(operation: str, bucket: str, handler: Handler, auth: Auth = "access") -> Endpoint:
            return Endpoint(self._world, self._protocol, operation, bucket, handler, auth)

        repo, server = "/xrpc/com.atproto.repo.", "/xrpc/com.atproto.server."
        identity = "/xrpc/com.atproto.identity."
        return [
            route(f"{repo}putRecord", ["POST"], on("publish", "writes", self.put_record)),
            route(f"{repo}createRecord", ["POST"], on("publish", "writes", self.create_record)),
            route(f"{repo}getRecord", ["GET"], on("read", "calls", self.get_record, "optional")),
            route(f"{repo}listRecords", ["GET"], on("read", "calls", self.list_records, "optional")),
            route(f"{repo}deleteRecord", ["POST"], on("delete", "writes", self.delete_record)),
            route(f"{repo}uploadBlob", ["POST"], on("prepare", "calls", self.upload_blob)),
            route(f"{server}createSession", ["POST"], on("refresh", "sessions", self.create_session, "none")),
            route(
                f"{server}refreshSession", ["POST"], on("refresh", "calls", self.refresh_session, "refresh")
            ),
            route(f"{server}deleteSession", ["POST"], on("refresh", "calls", self.delete_session, "refresh")),
            route(f"{server}getSession", ["GET"], on("read", "calls", self.get_session)),
            route(f"{server}describeServer", ["GET"], on("read", "calls", self.describe_server, "none")),
            route(f"{identity}resolveHandle", ["GET"], on("read", "calls", self.resolve_handle, "none")),
            *BlueskyAppView(self._world, self._records).routes(on),
        ]

    def put_record(self, call: Call) -> Answer:
        """putRecord: identical content is a 200 without a commit; `swapRecord` null means "only if new"."""
        try:
            target = self._target(call, key_required=True)
        except RecordError as error:
            return xrpc_error(error.status, error.error, str(error))
        body, collection, rkey, record = target
        current = self._records.get(call.owner, collection, rkey)
        if current is not None and current.cid == build_cid(record):
            # A real PDS checks this before swapRecord.
            return self._written(current, commit=None)
        if "swapRecord" in body and body["swapRecord"] != (None if current is None else current.cid):
            return xrpc_error(
                400, "InvalidSwap", f"Record was at {'null' if current is None else current.cid}"
            )
        stored = self._records.put(call.owner, collection, rkey, value=record, at=call.at)
        return self._written(stored, commit=self._commit(stored.cid, call.at))

    def create_record(self, call: Call) -> Answer:
        """createRecord: an existing key makes a real PDS fail with a 500."""
        try:
            _, collection, rkey, record = self._target(call, key_required=False)
        except RecordError as error:
            return xrpc_error(error.status, error.error, str(error))
        rkey = rkey or build_tid(self._world.next_number(Platform.BLUESKY, call.at))
        if self._records.get(call.owner, collection, rkey) is not None:
            return self._protocol.refuse("server_error", reset=call.at, at=call.at)
        stored = self._records.put(call.owner, collection, rkey, value=record, at=call.at)
        return self._written(stored, commit=self._commit(stored.cid, call.at))

    def get_record(self, call: Call) -> Answer:
        """GetRecord."""
        query = call.query
        names = ("repo", "collection", "rkey")
        missing = next((name for name in names if not query.get(name)), None)
        if missing is not None:
            return xrpc_error(400, "InvalidRequest", f'Error: Params must have the property "{missing}"')
        repo, collection, rkey = (query[name] for name in names)
        account = self._world.find_account(Platform.BLUESKY, repo)
        if account is None:
            return xrpc_error(400, "InvalidRequest", f"Could not find repo: {repo}")
        record = self._records.get(account, collection, rkey)
        if record is None or query.get("cid", record.cid) != record.cid:
            uri = f"at://{account.external_id}/{collection}/{rkey}"
            return xrpc_error(400, "RecordNotFound", f"Could not locate record: {uri}")
        return Answer({"uri": record.uri, "cid": record.cid, "value": record.value})

    def list_records(self, call: Call) -> Answer:
        """listRecords, by record key, highest first."""
        query = call.query
        account = self._world.find_account(Platform.BLUESKY, query.get("repo", ""))
        if account is None:
            return xrpc_error(400, "InvalidRequest", f"Could not find repo: {query.get('repo', '')}")
        limit = read_limit(query.get("limit"), default=50)
        if limit is None:
            return xrpc_error(400, "InvalidRequest", "Error: limit must be from 1 to 100")
        backwards = query.get("reverse") == "true"
        records = self._records.list(account, query.get("collection", ""), reverse=backwards)
        cursor = query.get("cursor")
        if cursor:
            records = [item for item in records if (item.rkey > cursor if backwards else item.rkey < cursor)]
        page = [] if call.page_fault == "empty_page" else records[:limit]
        body: dict[str, object] = {
            "records": [{"uri": item.uri, "cid": item.cid, "value": item.value} for item in page]
        }
        if call.page_fault == "repeated_cursor" and page:
            body["cursor"] = cursor or "zzzzzzzzzzzzz"
        elif page and len(page) == limit:
            body["cursor"] = page[-1].rkey
        return Answer(body)

    def delete_record(self, call: Call) -> Answer:
        """deleteRecord: succeeds also if the record does not exist."""
        try:
            body, collection, rkey, _ = self._target(call, key_required=True, with_record=False)
        except RecordError as error:
            return xrpc_error(error.status, error.error, str(error))
        current = self._records.get(call.owner, collection, rkey)
        if "swapRecord" in body and body["swapRecord"] != (None if current is None else current.cid):
            return xrpc_error(
                400, "InvalidSwap", f"Record was at {'null' if current is None else current.cid}"
            )
        if current is None:
            return Answer({})
        self._records.delete(call.owner, current, call.at)
        return Answer({"commit": self._commit(current.cid, call.at)})

    def upload_blob(self, call: Call) -> Answer:
        """uploadBlob: the bytes are counted, not stored."""
        if not call.body:
            return xrpc_error(400, "InvalidRequest", "Request body is empty")
        if len(call.body) > _BLOB_LIMIT:
            return xrpc_error(413, "PayloadTooLarge", "request entity too large")
        link = build_cid(hashlib.sha256(call.body).digest())
        self._records.blobs[link] = len(call.body)
        kind = call.request.headers.get("content-type", "application/octet-stream").partition(";")[0]
        blob = {"$type": "blob", "ref": {"$link": link}, "mimeType": kind, "size": len(call.body)}
        return Answer({"blob": blob})

    def create_session(self, call: Call) -> Answer:
        """createSession, with a handle or DID and the app password."""
        try:
            body = call.json()
            identifier, password = str(body["identifier"]), str(body["password"])
        except (KeyError, ValueError):
            return xrpc_error(400, "InvalidRequest", "Input must have identifier and password")
        account = self._world.find_account(Platform.BLUESKY, identifier.removeprefix("@").lower())
        if account is None or password != account.app_password:
            return xrpc_error(401, "AuthenticationRequired", "Invalid identifier or password")
        self._world.tokens.issue(account, call.at)
        return Answer(self._session(account, with_tokens=True))

    def refresh_session(self, call: Call) -> Answer:
        """refreshSession: invalidates the refresh token, after a grace period of two hours."""
        account = call.owner
        rotate_tokens(self._world, account, bearer_token(call) or "", call.at)
        return Answer(self._session(account, with_tokens=True))

    def delete_session(self, call: Call) -> Answer:
        """deleteSession: ends all sessions of the account."""
        revoke_tokens(call.owner)
        return Answer({})

    def get_session(self, call: Call) -> Answer:
        """GetSession."""
        return Answer(self._session(call.owner, with_tokens=False))

    def describe_server(self, call: Call) -> Answer:
        """DescribeServer."""
        host = call.base_url.partition("://")[2].replace(":", "%3A")
        return Answer(
            {"did": f"did:web:{host}", "availableUserDomains": [".bsky.test"], "inviteCodeRequired": True}
        )

    def resolve_handle(self, call: Call) -> Answer:
        """ResolveHandle."""
        account = self._world.find_account(Platform.BLUESKY, call.query.get("handle", "").lower())
        if account is None or account.handle != call.query.get("handle", "").lower():
            return xrpc_error(400, "InvalidRequest", "Unable to resolve handle")
        return Answer({"did": account.external_id})

    def _target(
        self, call: Call, *, key_required: bool, with_record: bool = True
    ) -> tuple[dict[str, Any], str, str, dict[str, Any]]:
        """Return (body, collection, record key, record). Raises RecordError with the PDS's message."""
        try:
            body = call.json()
        except ValueError:
            raise RecordError("InvalidRequest", "The request body is not valid JSON") from None
        repo, collection, rkey = body.get("repo"), body.get("collection"), body.get("rkey", "")
        if not isinstance(repo, str) or not isinstance(collection, str):
            raise RecordError("InvalidRequest", "Input must have the properties repo and collection")
        if repo not in (call.owner.external_id, call.owner.handle):
            raise RecordError("AuthenticationRequired", "Authentication Required", status=401)
        record = body.get("record", {})
        if with_record:
            self._records.validate(collection, record)
        if key_required or rkey:
            self._records.validate_key(rkey)
        return body, collection, rkey, record

    def _written(self, record: StoredRecord, commit: dict[str, str] | None) -> Answer:
        body: dict[str, object] = {"uri": record.uri, "cid": record.cid}
        if commit is not None:
            body["commit"] = commit
        body["validationStatus"] = "valid" if record.collection.startswith("app.bsky.") else "unknown"
        return Answer(body)

    def _commit(self, cid: str, at: float) -> dict[str, str]:
        rev = build_tid(self._world.next_number(Platform.BLUESKY, at))
        return {"cid": build_cid([cid, rev]), "rev": rev}

    def _session(self, account: SandboxAccount, *, with_tokens: bool) -> dict[str, object]:
        session: dict[str, object] = {
            "did": account.external_id,
            "handle": account.handle,
            "email": f"{account.handle.partition('.')[0]}@sandbox.test",
            "emailConfirmed": True,
            "emailAuthFactor": False,
            "active": True,
        }
        if with_tokens:
            session |= {"accessJwt": account.access_token, "refreshJwt": account.refresh_token}
        return session


def read_limit(text: str | None, *, default: int) -> int | None:
    """Read a page size from 1 to 100; None if invalid."""
    if text is None:
        return default
    return int(text) if text.isdigit() and 1 <= int(text) <= 100 else None
