"""The operations of S3 that are served, as one table: where they are, what they read of the query, and who answers."""

from __future__ import annotations

from msgspec import Struct

from hanok.services.object_storage.routes.s3 import (
    acls,
    buckets,
    configuration,
    listings,
    objects,
    tags,
    uploads,
    xml,
)
from hanok.services.object_storage.routes.s3.configuration import Handler, absent, fixed, gone


class Operation(Struct, frozen=True, kw_only=True):
    """An operation. level: "service", "bucket" or "object".

    selectors: parameters of the query that make it this one; query: further ones.
    """

    name: str
    level: str
    method: str
    handler: Handler
    selectors: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


_LISTED = ("prefix", "delimiter", "encoding-type", "max-keys")
_OVERRIDES = (
    "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires",
)  # fmt: skip
_READ = ("versionId", "partNumber", *_OVERRIDES)


def _of(
    level: str,
    method: str,
    name: str,
    handler: Handler,
    *selectors: str,
    query: tuple[str, ...] = (),
) -> Operation:
    return Operation(
        name=name, level=level, method=method, handler=handler, selectors=selectors, query=query
    )


_B, _O = "bucket", "object"
OPERATIONS: tuple[Operation, ...] = (
    _of("service", "GET", "ListBuckets", buckets.list_buckets,
        query=("max-buckets", "continuation-token", "prefix")),
    _of(_B, "PUT", "CreateBucket", buckets.create),
    _of(_B, "HEAD", "HeadBucket", buckets.show),
    _of(_B, "DELETE", "DeleteBucket", buckets.remove),
    _of(_B, "GET", "ListObjects", listings.objects, query=("marker", *_LISTED)),
    _of(_B, "GET", "ListObjectsV2", listings.objects_v2, "list-type",
        query=("continuation-token", "start-after", "fetch-owner", *_LISTED)),
    _of(_B, "GET", "ListObjectVersions", listings.object_versions, "versions",
        query=("key-marker", "version-id-marker", *_LISTED)),
    _of(_B, "GET", "ListMultipartUploads", uploads.list_uploads, "uploads",
        query=("key-marker", "upload-id-marker", "max-uploads", "prefix", "delimiter", "encoding-type")),
    _of(_B, "POST", "DeleteObjects", objects.remove_many, "delete"),
    _of(_B, "GET", "GetBucketLocation", buckets.location, "location"),
    _of(_B, "GET", "GetBucketVersioning", configuration.show_versioning, "versioning"),
    _of(_B, "PUT", "PutBucketVersioning", configuration.put_versioning, "versioning"),
    _of(_B, "GET", "GetBucketAcl", acls.show_bucket, "acl"),
    _of(_B, "PUT", "PutBucketAcl", acls.put_bucket, "acl"),
    _of(_B, "GET", "GetBucketCors", configuration.show_cors, "cors"),
    _of(_B, "PUT", "PutBucketCors", configuration.put_cors, "cors"),
    _of(_B, "DELETE", "DeleteBucketCors", configuration.remove_cors, "cors"),
    _of(_B, "GET", "GetBucketLifecycleConfiguration", configuration.show_lifecycle, "lifecycle"),
    _of(_B, "PUT", "PutBucketLifecycleConfiguration", configuration.put_lifecycle, "lifecycle"),
    _of(_B, "DELETE", "DeleteBucketLifecycle", configuration.remove_lifecycle, "lifecycle"),
    _of(_B, "GET", "GetBucketTagging", tags.show_bucket, "tagging"),
    _of(_B, "PUT", "PutBucketTagging", tags.put_bucket, "tagging"),
    _of(_B, "DELETE", "DeleteBucketTagging", tags.remove_bucket, "tagging"),
    _of(_B, "GET", "GetBucketPolicy", absent("NoSuchBucketPolicy"), "policy"),
    _of(_B, "DELETE", "DeleteBucketPolicy", gone, "policy"),
    _of(_B, "GET", "GetBucketPolicyStatus", configuration.policy_status, "policyStatus"),
    _of(_B, "GET", "GetBucketWebsite", absent("NoSuchWebsiteConfiguration"), "website"),
    _of(_B, "DELETE", "DeleteBucketWebsite", gone, "website"),
    _of(_B, "GET", "GetBucketReplication", absent("ReplicationConfigurationNotFoundError"), "replication"),
    _of(_B, "GET", "GetBucketEncryption", absent("ServerSideEncryptionConfigurationNotFoundError"), "encryption"),
    _of(_B, "DELETE", "DeletePublicAccessBlock", gone, "publicAccessBlock"),
    _of(_B, "DELETE", "DeleteBucketEncryption", gone, "encryption"),
    _of(_B, "DELETE", "DeleteBucketReplication", gone, "replication"),
    _of(_B, "DELETE", "DeleteBucketOwnershipControls", gone, "ownershipControls"),
    _of(_B, "GET", "GetPublicAccessBlock", absent("NoSuchPublicAccessBlockConfiguration"), "publicAccessBlock"),
    _of(_B, "GET", "GetBucketOwnershipControls", absent("OwnershipControlsNotFoundError"), "ownershipControls"),
    _of(_B, "GET", "GetObjectLockConfiguration", absent("ObjectLockConfigurationNotFoundError"), "object-lock"),
    _of(_B, "GET", "GetBucketLogging", fixed("BucketLoggingStatus"), "logging"),
    _of(_B, "GET", "GetBucketNotificationConfiguration", fixed("NotificationConfiguration"), "notification"),
    _of(_B, "GET", "GetBucketAccelerateConfiguration", fixed("AccelerateConfiguration"), "accelerate"),
    _of(_B, "GET", "GetBucketRequestPayment",
        fixed("RequestPaymentConfiguration", xml.element("Payer", "BucketOwner")), "requestPayment"),
    _of(_O, "PUT", "PutObject", objects.put),
    _of(_O, "GET", "GetObject", objects.get, query=_READ),
    _of(_O, "HEAD", "HeadObject", objects.get, query=_READ),
    _of(_O, "DELETE", "DeleteObject", objects.remove, query=("versionId",)),
    _of(_O, "GET", "GetObjectAttributes", objects.attributes, "attributes", query=("versionId",)),
    _of(_O, "GET", "GetObjectAcl", acls.show_object, "acl", query=("versionId",)),
    _of(_O, "PUT", "PutObjectAcl", acls.put_object, "acl", query=("versionId",)),
    _of(_O, "GET", "GetObjectTagging", tags.show_object, "tagging", query=("versionId",)),
    _of(_O, "PUT", "PutObjectTagging", tags.put_object, "tagging", query=("versionId",)),
    _of(_O, "DELETE", "DeleteObjectTagging", tags.remove_object, "tagging", query=("versionId",)),
    _of(_O, "POST", "CreateMultipartUpload", uploads.start, "uploads"),
    _of(_O, "PUT", "UploadPart", uploads.put_part, "partNumber", "uploadId"),
    _of(_O, "POST", "CompleteMultipartUpload", uploads.complete, "uploadId"),
    _of(_O, "DELETE", "AbortMultipartUpload", uploads.abort, "uploadId"),
    _of(_O, "GET", "ListParts", uploads.list_parts, "uploadId",
        query=("max-parts", "part-number-marker", "encoding-type")),
)  # fmt: skip

# Parameters that make another operation of a request, served or not.
SUBRESOURCES = frozenset(
    (
        "abac", "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption",
        "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging",
        "metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock", "ownershipControls",
        "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore",
        "retention", "select", "session", "tagging", "torrent", "uploads", "uploadId", "versioning", "versions",
        "website", "list-type",
    )
)  # fmt: skip
