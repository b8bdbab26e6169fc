"""What is said of a bucket: whether versions are kept, which pages may use it, what goes by itself.

Of what is not served, reading says that there is none, and writing that it is not implemented.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from starlette.responses import Response

from hanok.services.object_storage.logic import acls, lifecycle, versions
from hanok.services.object_storage.logic.lifecycle import LIFECYCLE, Rule
from hanok.services.object_storage.routes.s3 import xml
from hanok.services.object_storage.routes.s3.call import S3Call, answer, nothing
from hanok.services.object_storage.routes.s3.faults import S3Error
from hanok.services.object_storage.routes.s3.tags import keep
from hanok.services.object_storage.routes.s3.xml import Element, Node

CORS = "s3-cors"
_RULES = 100
_SIZE = 64 << 10  # bytes of what is kept


# ---- versions ----


async def show_versioning(call: S3Call) -> Response:
    """GetBucketVersioning."""
    row = await call.owned()
    status = {versions.ENABLED: "Enabled", versions.SUSPENDED: "Suspended"}.get(row.versions_mode)
    content = [] if status is None else [xml.element("Status", status)]
    return answer(xml.element("VersioningConfiguration", *content, namespace=True))


async def put_versioning(call: S3Call) -> Response:
    """PutBucketVersioning."""
    row = await call.owned()
    root = await call.document("VersioningConfiguration")
    status = (root.value("Status") or "").lower()
    if (root.value("MfaDelete") or "Disabled") != "Disabled" or "x-amz-mfa" in call.headers:
        raise S3Error("NotImplemented", "MfaDelete is not served here")
    if status not in versions.MODES or any(
        one.name not in ("Status", "MfaDelete") for one in root.children
    ):
        raise S3Error("MalformedXML")
    if row.versions_mode not in ("", *versions.MODES):
        raise S3Error(
            "InvalidBucketState",
            "Old versions go to another container, as X-Versions-Location or X-History-Location says.",
        )
    await keep(call, {}, (status, ""))
    return nothing(200)


# ---- pages of other origins ----


class Origins(Struct, frozen=True, kw_only=True):
    """A CORS rule."""

    id: str = ""
    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    age_s: int | None = None


def _fits(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern with at most one asterisk says."""
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == text
    return (
        len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
    )


def rule_for(
    text: str, origin: str, method: str, requested: tuple[str, ...] = ()
) -> Origins | None:
    """The first of a bucket's rules that lets a page do something."""
    for rule in msgspec.json.decode(text, type=list[Origins]) if text else ():
        if method not in rule.methods or not any(_fits(one, origin) for one in rule.origins):
            continue
        if all(any(_fits(one.lower(), name) for one in rule.headers) for name in requested):
            return rule
    return None


def cors_headers(rule: Origins, origin: str) -> dict[str, str]:
    found = {"Access-Control-Allow-Methods": ", ".join(rule.methods), "Vary": "Origin"}
    if rule.origins == ("*",):
        found["Access-Control-Allow-Origin"] = "*"
    else:
        found["Access-Control-Allow-Origin"] = origin
        found["Access-Control-Allow-Credentials"] = "true"
    if rule.exposed:
        found["Access-Control-Expose-Headers"] = ", ".join(rule.exposed)
    if rule.age_s is not None:
        found["Access-Control-Max-Age"] = str(rule.age_s)
    return found


async def show_cors(call: S3Call) -> Response:
    """GetBucketCors."""
    row = await call.owned()
    if not (text := row.metadata.get(CORS, "")):
        raise S3Error("NoSuchCORSConfiguration", fields={"BucketName": call.bucket})
    rules = []
    for rule in msgspec.json.decode(text, type=list[Origins]):
        content = [xml.element("ID", rule.id)] if rule.id else []
        for name, values in (
            ("AllowedHeader", rule.headers), ("AllowedMethod", rule.methods),
            ("AllowedOrigin", rule.origins), ("ExposeHeader", rule.exposed),
        ):  # fmt: skip
            content += [xml.element(name, value) for value in values]
        if rule.age_s is not None:
            content.append(xml.element("MaxAgeSeconds", str(rule.age_s)))
        rules.append(xml.element("CORSRule", *content))
    return answer(xml.element("CORSConfiguration", *rules, namespace=True))


async def put_cors(call: S3Call) -> Response:
    """PutBucketCors."""
    await call.owned()
    root = await call.document("CORSConfiguration")
    try:
        root.only("CORSRule")
        rules = [_cors(node) for node in root.children]
    except xml.Malformed:
        raise S3Error("MalformedXML") from None
    if not 0 < len(rules) <= _RULES:
        raise S3Error("MalformedXML")
    await keep(call, {CORS: _bounded(msgspec.json.encode(rules))})
    return nothing(200)


def _bounded(text: bytes) -> str:
    if len(text) > _SIZE:
        raise S3Error("MaxMessageLengthExceeded")
    return text.decode()


def _cors(node: Node) -> Origins:
    node.only(
        "ID", "AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader", "MaxAgeSeconds"
    )

    def values(name: str) -> tuple[str, ...]:
        return tuple(one.text.strip() for one in node.all(name))

    found = Origins(
        id=node.value("ID") or "",
        origins=values("AllowedOrigin"),
        methods=values("AllowedMethod"),
        headers=values("AllowedHeader"),
        exposed=values("ExposeHeader"),
        age_s=_count(node, "MaxAgeSeconds", 0),
    )
    if not found.origins or not found.methods:
        raise xml.Malformed
    for method in found.methods:
        if method not in ("GET", "PUT", "POST", "DELETE", "HEAD"):
            raise S3Error(
                "InvalidRequest",
                f"Found unsupported HTTP method in CORS config. Unsupported method is {method[:32]}",
            )
    for text in (*found.origins, *found.headers, *found.exposed, found.id):
        if text.count("*") > 1 or not text.isascii() or not text.isprintable() or len(text) > 255:
            raise S3Error(
                "InvalidRequest", "A value of a CORS rule can have one wildcard, and is printable."
            )
    return found


def _count(node: Node, name: str, minimum: int) -> int | None:
    said = node.value(name)
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 10 and int(said) >= minimum):
        raise S3Error("InvalidArgument", f"'{name}' must be a number of at least {minimum}")
    return int(said)


async def remove_cors(call: S3Call) -> Response:
    """DeleteBucketCors."""
    await call.owned()
    await keep(call, {CORS: ""})
    return nothing(204)


# ---- what goes by itself ----


async def show_lifecycle(call: S3Call) -> Response:
    """GetBucketLifecycleConfiguration."""
    row = await call.owned()
    rules = lifecycle.read(row.metadata.get(LIFECYCLE, ""))
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration", fields={"BucketName": call.bucket})
    return answer(
        xml.element(
            "LifecycleConfiguration", *(_shown_rule(rule) for rule in rules), namespace=True
        )
    )


def _shown_rule(rule: Rule) -> Element:
    prefix = xml.element("Prefix", rule.prefix)
    content = [
        xml.element("ID", rule.id),
        prefix if rule.old else xml.element("Filter", prefix),
        xml.element("Status", "Enabled" if rule.enabled else "Disabled"),
    ]
    if rule.days is not None:
        content.append(xml.element("Expiration", xml.element("Days", str(rule.days))))
    elif rule.at is not None:
        at = f"{datetime.fromtimestamp(rule.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
        content.append(xml.element("Expiration", xml.element("Date", at)))
    elif rule.marks:
        content.append(xml.element("Expiration", xml.element("ExpiredObjectDeleteMarker", "true")))
    if rule.noncurrent_days is not None:
        days = xml.element("NoncurrentDays", str(rule.noncurrent_days))
        content.append(xml.element("NoncurrentVersionExpiration", days))
    if rule.abort_days is not None:
        days = xml.element("DaysAfterInitiation", str(rule.abort_days))
        content.append(xml.element("AbortIncompleteMultipartUpload", days))
    return xml.element("Rule", *content)


async def put_lifecycle(call: S3Call) -> Response:
    """PutBucketLifecycleConfiguration."""
    await call.owned()
    if "x-amz-transition-default-minimum-object-size" in call.headers:
        raise S3Error("NotImplemented", "There are no transitions: there is one storage class")
    root = await call.document("LifecycleConfiguration")
    try:
        root.only("Rule")
        rules = [_rule(node, number) for number, node in enumerate(root.children)]
    except xml.Malformed:
        raise S3Error("MalformedXML") from None
    if not 0 < len(rules) <= _RULES:
        raise S3Error("MalformedXML")
    if len({rule.id for rule in rules}) != len(rules):
        raise S3Error(
            "InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule"
        )
    await keep(call, {LIFECYCLE: _bounded(msgspec.json.encode(rules))})
    return nothing(200)


def _rule(node: Node, number: int) -> Rule:
    name = node.value("ID") or f"rule-{number + 1}"
    status, old = node.value("Status"), node.exact("Prefix")
    if len(name) > 255:
        raise S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255")
    if status not in ("Enabled", "Disabled"):
        raise xml.Malformed
    for one in node.children:
        if one.name in ("Transition", "NoncurrentVersionTransition"):
            raise S3Error("NotImplemented", "There are no transitions: there is one storage class")
    node.only(
        "ID",
        "Status",
        "Prefix",
        "Filter",
        "Expiration",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    )
    prefix = old if old is not None else _filtered(node.one("Filter"))
    days, at, marks = _expiration(node.one("Expiration"))
    noncurrent, abort = (
        node.one("NoncurrentVersionExpiration"),
        node.one("AbortIncompleteMultipartUpload"),
    )
    found = Rule(
        id=name,
        enabled=status == "Enabled",
        prefix=prefix,
        old=old is not None,
        days=days,
        at=at,
        marks=marks,
        noncurrent_days=_days(noncurrent, "NoncurrentDays"),
        abort_days=_days(abort, "DaysAfterInitiation"),
    )
    if (found.days, found.at, found.noncurrent_days, found.abort_days, marks) == (None,) * 4 + (
        False,
    ):
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule")
    return found


def _days(node: Node | None, name: str) -> int | None:
    if node is None:
        return None
    if any(one.name != name for one in node.children):
        raise S3Error("NotImplemented", f"Of {node.name}, {name} is served")
    if (found := _count(node, name, 1)) is None:
        raise xml.Malformed
    return found


def _filtered(node: Node | None) -> str:
    if node is None:
        raise xml.Malformed
    both = node.one("And")
    inner = node if both is None else both
    if any(one.name not in ("Prefix", "And") for one in (*node.children, *inner.children)):
        raise S3Error("NotImplemented", "A rule is for names that begin with a prefix")
    return inner.exact("Prefix") or ""


def _expiration(node: Node | None) -> tuple[int | None, int | None, bool]:
    if node is None:
        return None, None, False
    node.only("Days", "Date", "ExpiredObjectDeleteMarker")
    if len(node.children) != 1:
        raise xml.Malformed
    marks = (node.value("ExpiredObjectDeleteMarker") or "").lower() == "true"
    said = node.value("Date")
    if said is None:
        return _count(node, "Days", 1), None, marks
    try:
        at = datetime.fromisoformat(said)
        at = at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise xml.Malformed from None
    if at.timestamp() % 86_400:
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")
    return None, int(at.timestamp()), False


async def remove_lifecycle(call: S3Call) -> Response:
    """DeleteBucketLifecycle."""
    await call.owned()
    await keep(call, {LIFECYCLE: ""})
    return nothing(204)


# ---- what there is none of ----

Handler = Callable[[S3Call], Awaitable[Response]]


def absent(code: str) -> Handler:
    """Says that a bucket has none."""

    async def handler(call: S3Call) -> Response:
        await call.owned()
        raise S3Error(code, fields={"BucketName": call.bucket})

    return handler


def fixed(root: str, *content: Element) -> Handler:
    """Says what is so of every bucket."""

    async def handler(call: S3Call) -> Response:
        await call.owned()
        return answer(xml.element(root, *content, namespace=True))

    return handler


async def policy_status(call: S3Call) -> Response:
    """GetBucketPolicyStatus: what the access list says, as there are no policies."""
    row = await call.owned()
    public = acls.comes_from("", acls.parsed(row.read_acl)[0])
    shown = xml.element("IsPublic", "true" if public else "false")
    return answer(xml.element("PolicyStatus", shown, namespace=True))


async def gone(call: S3Call) -> Response:
    """Takes away what is not there."""
    await call.owned()
    return nothing(204)
