"""The cloud's public APIs, as the command line uses them: standard library, one connection at a time."""

from __future__ import annotations

import html
import http.client
import json
import re
import time
from collections.abc import Callable
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from hanok.cli.output import Failure
from hanok.supervisor.settings import Cloud

ANSWER_S = 60.0
COMPUTE_VERSION = "2.87"  # the last one whose hypervisors say how they run guests

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
        parts = urlsplit(cloud.url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 5000)
        self._cloud = cloud
        self._token = ""
        self.project_id = ""

    def sign_in(self) -> None:
        """Get a token.

        Raises:
            Failure: the password file cannot be read, or nobody answers. Refused: the password was changed.
        """
        try:
            password = self._cloud.password_file.read_text().strip()
        except OSError as error:
            raise Failure(f"the administrator's password cannot be read: {error}") from None
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
            }
        }
        response, answer = self._send("POST", "/v3/auth/tokens", json.dumps(body).encode(), {})
        self._token = response.headers["X-Subject-Token"] or ""
        self.project_id = answer["token"]["project"]["id"]

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return what the JSON answer holds.

        Raises:
            Refused: the answer is an error. Failure: nobody answers.
        """
        sent = {"X-Auth-Token": self._token, **headers}
        if path.startswith("/compute"):
            sent["OpenStack-API-Version"] = f"compute {COMPUTE_VERSION}"
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
        self, method: str, path: str, data: bytes | BinaryIO | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, Any]:
        if isinstance(data, bytes):
            headers = {"Content-Type": "application/json", **headers}
        connection = http.client.HTTPConnection(*self._address, timeout=ANSWER_S)
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
    parts = urlsplit(cloud.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", "/v3")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(look: Callable[[], Any], *, timeout_s: float, every_s: float = 0.1) -> Any:
    """Look until something true is seen and return it; something false after timeout_s."""
    until = time.monotonic() + timeout_s
    while True:
        seen = look()
        if seen or time.monotonic() >= until:
            return seen
        time.sleep(every_s)


WHY_OFF = {"": "", "settings": "by services_off in the settings", "operator": "by an operator"}


def services_off(client: API) -> dict[str, str]:
    """The services that are switched off, and by whom.

    Raises:
        Refused; Failure: nobody answers.
    """
    found = client.get("/hanok/v1/services")["services"]
    return {one["name"]: WHY_OFF[one["disabled_by"]] for one in found if not one["enabled"]}
