"""What stands beside accounts: /info, /healthcheck, /crossdomain.xml, /v1/endpoints.

/info names a feature only when it is served: clients and suites go by it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from hanok.services.object_storage.logic import names
from hanok.services.object_storage.room import ObjectStore
from hanok.services.object_storage.routes import bulk, manifests, reading, signed
from hanok.services.object_storage.routes.faults import PLAIN

CROSSDOMAIN = (
    b'<?xml version="1.0"?>\n'
    b'<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >\n'
    b'<cross-domain-policy>\n<allow-access-from domain="*" secure="false" />\n</cross-domain-policy>'
)


def capabilities(room: ObjectStore) -> dict[str, Any]:
    """What is served."""
    return {
        "swift": {
            "version": "2.38.0",
            "max_file_size": room.settings.maximum_object_bytes,
            "max_meta_name_length": names.META_NAME,
            "max_meta_value_length": names.META_VALUE,
            "max_meta_count": names.META_COUNT,
            "max_meta_overall_size": names.META_OVERALL,
            "max_header_size": names.HEADER_SIZE,
            "max_object_name_length": names.OBJECT_NAME,
            "max_account_name_length": names.ACCOUNT_NAME,
            "max_container_name_length": names.CONTAINER_NAME,
            "container_listing_limit": names.LISTING,
            "account_listing_limit": names.LISTING,
            "extra_header_count": 0,
            "account_autocreate": True,
            "allow_account_management": True,
            "allow_open_expired": False,
            "strict_cors_mode": True,
            "valid_api_versions": ["v1", "v1.0"],
            "policies": [{"name": names.POLICY, "default": True, "aliases": names.POLICY}],
        },
        "account_quotas": {},
        "bulk_delete": {
            "max_deletes_per_request": bulk.NAMES,
            "max_failed_deletes": bulk.FAILURES,
        },
        "bulk_upload": {
            "max_containers_per_extraction": bulk.NAMES,
            "max_failed_extractions": bulk.FAILURES,
        },
        "container_quotas": {},
        "crossdomain": {},
        "formpost": {"allowed_digests": list(signed.DIGESTS)},
        "dlo": {"max_segments": reading.PIECES},
        "slo": {
            "max_manifest_segments": manifests.SEGMENTS,
            "max_manifest_size": manifests.SIZE,
            "min_segment_size": 1,
            "allow_async_delete": False,
        },
        "staticweb": {},
        "symlink": {"symloop_max": reading.HOPS, "static_links": True},
        "tempurl": {
            "methods": list(signed.METHODS),
            "incoming_remove_headers": ["x-timestamp"],
            "incoming_allow_headers": [],
            "outgoing_remove_headers": ["x-object-meta-*"],
            "outgoing_allow_headers": ["x-object-meta-public-*"],
            "allowed_digests": list(signed.DIGESTS),
        },
        "object_versioning": {},
        "versioned_writes": {
            "allowed_flags": ["x-versions-location", "x-history-location"],
        },
    }


def answer(path: str, room: ObjectStore) -> Response | None:
    """An answer, if that is one of these."""
    if path == "/info":
        return _json(capabilities(room))
    if path == "/healthcheck":
        return Response(b"OK", 200, {"Content-Type": PLAIN})
    if path == "/crossdomain.xml":
        return Response(CROSSDOMAIN, 200, {"Content-Type": "application/xml"})
    return None


def _json(value: object) -> Response:
    body = msgspec.json.encode(value)
    return Response(body, 200, {"Content-Type": "application/json; charset=UTF-8"})
