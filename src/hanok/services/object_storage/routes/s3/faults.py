"""S3's errors.

Source: "Error responses" in the API reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from hanok.base.errors import HanokError, Refused
from hanok.services.object_storage.logic.names import Said
from hanok.services.object_storage.routes.s3 import xml

_CODES: dict[str, tuple[int, str]] = {
    "AccessDenied": (403, "Access Denied"),
    "AuthorizationHeaderMalformed": (400, "The authorization header that you provided is not valid."),
    "AuthorizationQueryParametersError": (400, "The query parameters of the signature are not valid."),
    "BadDigest": (400, "The Content-MD5 or checksum value that you specified did not match what the server received."),
    "BucketAlreadyOwnedByYou": (409, "The bucket that you tried to create already exists, and you own it."),
    "BucketNotEmpty": (409, "The bucket that you tried to delete is not empty."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed object size."),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed object size."),
    "IllegalLocationConstraintException": (400, "The location constraint is not the region of this request."),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header."),
    "InsufficientStorage": (507, "There is not enough space to store the object."),
    "InternalError": (500, "An internal error occurred. Try again."),
    "InvalidAccessKeyId": (403, "The AWS access key ID that you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketState": (409, "The request is not valid for the current state of the bucket."),
    "InvalidDigest": (400, "The Content-MD5 or checksum value that you specified is not valid."),
    "InvalidPart": (400, "One or more of the specified parts could not be found, or has another entity tag."),
    "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
    "InvalidRange": (416, "The requested range is not satisfiable."),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidStorageClass": (400, "The storage class that you specified is not valid."),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "InvalidToken": (400, "The provided token is malformed or otherwise not valid."),
    "KeyTooLongError": (400, "Your key is too long."),
    "MalformedACLError": (400, "The ACL that you provided was not well formed."),
    "MalformedXML": (400, "The XML that you provided was not well formed or did not validate against our schema."),
    "MaxMessageLengthExceeded": (400, "Your request was too large."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist."),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist."),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found."),
    "NoSuchTagSet": (404, "The TagSet does not exist."),
    "NoSuchUpload": (404, "The specified upload does not exist. It may have been aborted or completed."),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration."),
    "NotImplemented": (501, "A header or query that you provided implies functionality that is not implemented."),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket."),
    "OperationAborted": (409, "A conflicting operation is in progress against this resource. Try again."),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found."),
    "PreconditionFailed": (412, "At least one of the preconditions that you specified did not hold."),
    "QuotaExceeded": (403, "The upload exceeds the quota of the bucket or the account."),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the server's time is too large."),
    "ServerSideEncryptionConfigurationNotFoundError": (404, "The server side encryption configuration was not found."),
    "ServiceUnavailable": (503, "The service is unavailable. Try again later."),
    "SignatureDoesNotMatch": (403, "The signature that we calculated does not match the one that you provided."),
    "XAmzContentSHA256Mismatch": (400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
}  # fmt: skip
_OF_STATUS = {
    400: "InvalidArgument", 401: "AccessDenied", 403: "AccessDenied", 404: "NoSuchKey", 405: "MethodNotAllowed",
    409: "OperationAborted", 411: "MissingContentLength", 412: "PreconditionFailed", 413: "EntityTooLarge",
    416: "InvalidRange", 422: "BadDigest", 501: "NotImplemented", 503: "ServiceUnavailable",
    507: "InsufficientStorage",
}  # fmt: skip


class S3Error(Refused):
    """An error of S3. fields: further elements of its body."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        status, usual = _CODES[code]
        super().__init__(message or usual, code=code, headers=headers)
        self.status = status  # type: ignore[misc]
        self.fields = dict(fields or {})


def translated(error: HanokError) -> S3Error:
    """What S3 calls an error of the service."""
    if isinstance(error, S3Error):
        return error
    if not isinstance(error, Refused):
        return S3Error("ServiceUnavailable")
    if isinstance(error, Said) and "quota" in error.message:
        return S3Error("QuotaExceeded")
    headers = {k: v for k, v in error.headers.items() if k.lower() != "www-authenticate"}
    return S3Error(_OF_STATUS.get(error.status, "InvalidArgument"), error.message, headers=headers)


def answer(error: S3Error, resource: str, request_id: str) -> Response:
    """An error as an answer."""
    body = xml.document(
        xml.element(
            "Error",
            xml.element("Code", error.code),
            xml.element("Message", error.message),
            *(xml.element(name, value) for name, value in error.fields.items()),
            xml.element("Resource", resource),
            xml.element("RequestId", request_id),
        )
    )
    return Response(body, error.status, {"Content-Type": xml.TYPE, **error.headers})
