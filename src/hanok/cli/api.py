"""The cloud's public APIs, as the command line uses them: standard library, one connection at a time."""

from __future__ import annotations

import html
import http.client
import json
import os
import re
import ssl
import time
from collections.abc import Callable
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from hanok.cli.output import Failure
from hanok.supervisor.settings import Cloud

ANSWER_S = 60.0
COMPUTE_VERSION = "2.87"  # the last one whose hypervisors say how they run guests
VOLUME_VERSION = "3.70"  # groups, and whose each thing is

_TAG = re.compile(r"<[^<>]*>")


class Refused(Exception):
    """The cloud said no. status: of HTTP; message: the service's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status = status
        self.message = message


class API:
    """Signed in as the administrator."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._token = ""
        self.project_id = self.user_id = ""
        self._objects = ""

    def sign_in(self, project_id: str = "") -> None:
        """Get a token, of the administrators' project or of one in which the administrator has a role.

        Raises:
            Failure: the password file cannot be read, or nobody answers. Refused: the password was changed.
        """
        user, project = _administrator(self._cloud)
        if project_id:
            project = {"id": project_id}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": project},
            }
        }
        response, answer = self._send("POST", "/v3/auth/tokens", json.dumps(body).encode(), {})
        self._token = response.headers["X-Subject-Token"] or ""
        self.project_id = answer["token"]["project"]["id"]
        self.user_id = answer["token"]["user"]["id"]
        self._objects = _address(answer["token"]["catalog"], "object-store")

    def within(self, project_id: str) -> API:
        """The same administrator, signed in to a project in which they have a role.

        Raises:
            Refused; Failure: nobody answers.
        """
        other = API(self._cloud)
        other.sign_in(project_id)
        return other

    def objects(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Any:
        """Ask object storage for what is below the project's account; None where the cloud has none.

        Raises:
            Refused; Failure: nobody answers.
        """
        if not self._objects:
            return None
        parts = urlsplit(self._objects)
        headers = {"X-Auth-Token": self._token, "Accept": "application/json", "Content-Type": kind}
        return self._send(method, f"{parts.path}{path}", body, headers, self._objects)[1]

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return what the JSON answer holds.

        Raises:
            Refused: the answer is an error. Failure: nobody answers.
        """
        sent = {"X-Auth-Token": self._token, **headers}
        if path.startswith("/compute"):
            sent["OpenStack-API-Version"] = f"compute {COMPUTE_VERSION}"
        elif path.startswith("/volume"):
            sent["OpenStack-API-Version"] = f"volume {VOLUME_VERSION}"
        data = None if body is None else json.dumps(body).encode()
        return self._send(method, path, data, sent)[1]

    def get(self, path: str) -> Any:
        return self("GET", path)

    def post(self, path: str, body: Any) -> Any:
        return self("POST", path, body)

    def upload(self, path: str, file: BinaryIO) -> None:
        """PUT a file as it is."""
        headers = {"X-Auth-Token": self._token, "Content-Type": "application/octet-stream"}
        self._send("PUT", path, file, headers)

    def _send(
        self,
        method: str,
        path: str,
        data: bytes | BinaryIO | None,
        headers: dict[str, str],
        origin: str = "",
    ) -> tuple[http.client.HTTPResponse, Any]:
        if isinstance(data, bytes):
            headers = {"Content-Type": "application/json", **headers}
        connection = line(self._cloud, timeout_s=ANSWER_S, origin=origin)
        try:
            connection.request(
                method, path, body=data, headers=headers, encode_chunked=not isinstance(data, bytes)
            )
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failure(
                f"the cloud at {self._cloud.url} does not answer ({error}); see hanok status"
            ) from None
        finally:
            connection.close()
        answer = None
        if raw and "json" in (response.headers["Content-Type"] or ""):
            answer = json.loads(raw)
        if response.status >= 400:
            raise Refused(response.status, message_of(answer, raw))
        return response, answer


def _administrator(cloud: Cloud) -> tuple[dict[str, Any], dict[str, Any]]:
    """Who signs in, and to what: the cloud's own administrator, and on a machine that joined whoever OS_* names.

    Raises:
        Failure: the password file cannot be read; nobody is named.
    """
    project: dict[str, Any] = {"name": "admin", "domain": {"id": "default"}}
    if not cloud.has_control:
        return _named(cloud)
    try:
        password = cloud.password_file.read_text().strip()
    except OSError as error:
        raise Failure(f"the administrator's password cannot be read: {error}") from None
    return {"name": "admin", "domain": {"id": "default"}, "password": password}, project


def _named(cloud: Cloud) -> tuple[dict[str, Any], dict[str, Any]]:
    """A host speaks for itself only (decision 0057), so here a person has to."""
    given = {
        name: os.environ.get(f"OS_{name}", "") for name in ("USERNAME", "PASSWORD", "PROJECT_NAME")
    }
    if not all(given.values()):
        raise Failure(
            f"this machine joined the cloud at {cloud.url} and has no administrator's password: ask on the machine "
            "where it began, or take admin-openrc.sh from there (. admin-openrc.sh)"
        )
    domains = [os.environ.get(f"OS_{one}_DOMAIN_NAME", "Default") for one in ("USER", "PROJECT")]
    user = {
        "name": given["USERNAME"],
        "domain": {"name": domains[0]},
        "password": given["PASSWORD"],
    }
    return user, {"name": given["PROJECT_NAME"], "domain": {"name": domains[1]}}


def _address(catalog: list[dict[str, Any]], kind: str) -> str:
    """Where a service answers; "" where the cloud has none."""
    for service in catalog:
        if service["type"] == kind:
            return next((str(one["url"]) for one in service["endpoints"]), "")
    return ""


def message_of(answer: Any, raw: bytes) -> str:
    """The words of an error, whichever service it is from."""
    if isinstance(answer, dict):
        for value in (answer, *answer.values()):
            if isinstance(value, dict) and isinstance(value.get("message"), str):
                return str(value["message"])
        if isinstance(answer.get("errors"), list) and answer["errors"]:
            first = answer["errors"][0]
            return str(first.get("detail") or first.get("title"))
    text = raw.decode(errors="replace")
    if "<body>" in text:  # the image service answers with a page: a heading, and the words below it
        text = html.unescape(_TAG.sub(" ", text.rpartition("</h1>")[2]))
    return " ".join(text.split())[:200] or "no reason was given"


def answers(cloud: Cloud, *, timeout_s: float = 1.0) -> bool:
    """Whether the cloud serves its APIs now."""
    try:
        connection = line(cloud, timeout_s=timeout_s)
    except (OSError, Failure):
        return False
    try:
        connection.request("GET", "/v3")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def line(cloud: Cloud, *, timeout_s: float, origin: str = "") -> http.client.HTTPConnection:
    """A connection to the cloud, which is held against its certificate authority where it has one.

    Args:
        origin: another address of the cloud than that of its APIs.

    Raises:
        Failure: the authority's file is not there.
    """
    parts = urlsplit(origin or cloud.url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        context = ssl.create_default_context(cafile=str(cloud.authority))
    except OSError as error:
        raise Failure(
            f"the cloud's certificate {cloud.authority} cannot be read: {error}"
        ) from None
    return http.client.HTTPSConnection(
        parts.hostname or "", parts.port, timeout=timeout_s, context=context
    )


def wait_until(look: Callable[[], Any], *, timeout_s: float, every_s: float = 0.1) -> Any:
    """Look until something true is seen and return it; something false after timeout_s."""
    until = time.monotonic() + timeout_s
    while True:
        found = look()
        if found or time.monotonic() >= until:
            return found
        time.sleep(every_s)


WHY_OFF = {"": "", "settings": "by services_off in the settings", "operator": "by an operator"}


def services_off(client: API) -> dict[str, str]:
    """The services that are switched off, and by whom.

    Raises:
        Refused; Failure: nobody answers.
    """
    found = client.get("/hanok/v1/services")["services"]
    return {one["name"]: WHY_OFF[one["disabled_by"]] for one in found if not one["enabled"]}
