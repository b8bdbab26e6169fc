"""Route tables: which method and path goes to which function, and which access rules that function looks at.

A path is matched segment by segment in a tree of dictionaries, so the cost does not grow with the number of routes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from starlette.responses import Response

from hanok.base.errors import MethodNotAllowed, NotFound, Refused
from hanok.web.microversions import Range, Version
from hanok.web.token import Delegation
from hanok.web.versions import Query

if TYPE_CHECKING:
    from hanok.web.faults import Fault
    from hanok.web.policy import Rule
    from hanok.web.request import Request

Handler = Callable[["Request", Any], Awaitable[Response]]
"""Takes a request and its service's room: what that service works with, built once by control."""

PUBLIC = "(public)"  # no token wanted: version documents, sign-in
SIGNED_IN = "(signed in)"  # any valid token is enough; the answer depends on nothing but the caller


class Route(Struct, frozen=True):
    """One operation of an API.

    path: from the service's mount point ("/v2.1/servers/{server_id}"); names in braces become `request.path[...]`.
    rules: the access rules the handler looks at; PUBLIC or SIGNED_IN when there are none.
    body_key: where one path takes several actions, the single top-level key of the body.
    minimum, maximum: the microversions that serve it. outside: what any other is told.
    strict: whether unknown keys of the body are refused (read by the generated tests).
    delegated: in a service that guards authority, whether this change is open to delegated tokens all the same:
        "always", to those of an "unrestricted" application credential, to these and those of trusts and OAuth
        ("bounded": the handler holds what is made within the token's own bounds), or to those of a "trust".
    closed_to: the kinds of delegated tokens that may not even read.
    body: what the body is read into: a type, bytes for data that is streamed, or a function that makes a JSON schema
        where another table decides. member: the top-level key that holds it. media_type: where it is not the usual one.
    query: the parameters of the query that are looked at (a test compares that with the handler); a `Query` where they
        have versions, or unknown ones are refused.
    status_before: a version, and the status of a success before it.
    experimental: whether it is served to clients alone that say that they know it to be so (`Service.experimental`).
    event: what a success is told as ("identity.user.created"); the handler's transaction writes it. See Request.made.
    """

    method: str
    path: str
    handler: Handler
    rules: tuple[str, ...]
    body_key: str = ""
    minimum: Version | None = None
    maximum: Version | None = None
    strict: bool = False
    delegated: Literal["", "always", "unrestricted", "bounded", "trust"] = ""
    closed_to: tuple[Delegation, ...] = ()
    body: Any = None
    member: str = ""
    media_type: str = ""
    query: tuple[str, ...] | Query = ()
    status_before: tuple[Version, int] | None = None
    event: str = ""
    outside: type[Refused] = NotFound
    experimental: bool = False


class Service(Struct, frozen=True, kw_only=True):
    """A room as the HTTP side sees it.

    kind: the type in the catalog. room: handed to every handler. rules: access rules with their defaults.
    mounts: path prefixes ("compute"); "" is the root.
    routes: the table; or what gives the same one each time, where it is not to be loaded before the first request.
    trailing_slash: whether "/things/" is the same as "/things"; otherwise it is a thing without a name: not there.
    respelled: of the first two segments of paths, those that are spelled otherwise, too, each with the one that stands
        in the routes.
    implied: the second segment of paths that may be left out ("lbaas"), or "".
    guards_authority: whether changes here make or widen authority, so that delegated tokens are refused.
    optional_project: the version segment after which older clients put a project id ("v2.1"), or "".
    older: the version segment ("v2") under which the same is served to clients from before microversions, or "".
    query_closed: the version from which on no operation takes parameters that it does not know.
    alone: whether a body that holds a thing under its name holds nothing beside it; what else there is is passed over
        otherwise.
    experimental: the header by which a client says that it knows operations to be experimental; "": there are none.
    no_method: what a method is told that a path does not have.
    unversioned: paths of routes whose answers say nothing of versions.
    method_is_part: whether an address is not there for a method that it does not take, as for one of no route.
    request_id_header: a further header that holds the request's id, which clients of this service look for.
    header_since: headers of answers that not every version has.
    offers: the media types of what a GET gives that needs a token; a caller who accepts none is told so. Empty:
        whatever is accepted is not looked at.
    typed: whether a body, even an empty one, needs a content type.
    payload: what an event holds whose handler says nothing, by the id of its subject.
    whole: what answers each request at the service's own port, if it has one: names there are data, and callers may
        come without a token. It looks at `Request.optional_token` itself; `routes` then only say what there is.
    """

    kind: str
    room: Any
    rules: Sequence[Rule]
    mounts: tuple[str, ...]
    routes: Sequence[Route] | Callable[[], Sequence[Route]]
    fault: Fault
    microversions: Range | None = None
    optional_project: str = ""
    older: str = ""
    respelled: Mapping[str, str] = {}
    implied: str = ""
    guards_authority: bool = False
    trailing_slash: bool = True
    query_closed: Version | None = None
    alone: bool = True
    experimental: str = ""
    no_method: type[Refused] = MethodNotAllowed
    unversioned: tuple[str, ...] = ()
    request_id_header: str = ""
    method_is_part: bool = False
    header_since: Mapping[str, Version] = {}
    media_types: tuple[str, ...] = ("application/json",)
    offers: tuple[str, ...] = ()
    typed: bool = False
    payload: Callable[[str], Mapping[str, Any]] = lambda subject: {"id": subject}
    whole: Handler | None = None


class _Node:
    __slots__ = ("children", "name", "parameter", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.routes: dict[str, list[Route]] = {}


class Router:
    """Finds the routes of a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.strip("/").split("/"):
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.children.setdefault(segment, _Node())
            node.routes.setdefault(route.method, []).append(route)

    def find(self, segments: Sequence[str]) -> tuple[dict[str, list[Route]], list[str]] | None:
        """Routes by method, and the values of the parameters in order; None when there is no such path."""
        return self._walk(self._root, segments, 0, [])

    def _walk(
        self, node: _Node, segments: Sequence[str], at: int, values: list[str]
    ) -> tuple[dict[str, list[Route]], list[str]] | None:
        if at == len(segments):
            return (node.routes, values) if node.routes else None
        segment = segments[at]
        child = node.children.get(segment)
        if child is not None and (found := self._walk(child, segments, at + 1, values)) is not None:
            return found
        if node.parameter is not None and segment:
            return self._walk(node.parameter, segments, at + 1, [*values, segment])
        return None


def parameter_names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
