"""A service provider of SAML 2 made with pysaml2, which lets Debian's xmlsec1 check signatures."""

from __future__ import annotations

import base64
import os
import shutil
import warnings
from typing import Any
from xml.etree import ElementTree

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a cipher that is not used here
    from saml2 import BINDING_HTTP_POST, BINDING_SOAP
    from saml2.client import Saml2Client
    from saml2.config import SPConfig
    from saml2.ecp import handle_ecp_authn_response

XMLSEC = shutil.which("xmlsec1", path=f"{os.environ.get('PATH', '')}:/usr/bin")
SP_URL = "https://sp.example.org/Shibboleth.sso/SAML2/ECP"
SP_AUTH = "https://sp.example.org/v3/OS-FEDERATION/identity_providers/us/protocols/saml2/auth"
# pysaml2 takes envelopes apart with Python's own XML library, which forgets prefixes; they are part of what is signed.
for prefix, uri in {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}.items():
    ElementTree.register_namespace(prefix, uri)
needs_xmlsec = pytest.mark.skipif(XMLSEC is None, reason="needs Debian's xmlsec1")


class ServiceProvider:
    """Somebody who was given our metadata, and assertions at one address."""

    def __init__(self, metadata: bytes, url: str = SP_URL) -> None:
        config = SPConfig()
        config.load(
            {
                "entityid": "https://sp.example.org/saml",
                "xmlsec_binary": XMLSEC,
                "allow_unknown_attributes": True,
                "service": {
                    "sp": {
                        "endpoints": {
                            "assertion_consumer_service": [
                                (url, BINDING_HTTP_POST),
                                (url, BINDING_SOAP),
                            ]
                        },
                        "allow_unsolicited": True,
                        "want_response_signed": False,
                        "want_assertions_signed": True,
                    }
                },
                "metadata": {"inline": [metadata.decode()]},
            }
        )
        self.client = Saml2Client(config)

    def posted(self, document: bytes) -> Any:
        """What a browser brought: pysaml2's response; without an assertion when it is for another place."""
        text = base64.b64encode(document).decode()
        return self.client.parse_authn_request_response(text, BINDING_HTTP_POST)

    def enveloped(self, document: bytes) -> tuple[Any, str]:
        """What a client of the profile ECP brought, and its relay state."""
        _, relay = handle_ecp_authn_response(self.client, document.decode())
        response = self.client.parse_authn_request_response(document.decode(), BINDING_SOAP)
        return response, str(relay.text)
