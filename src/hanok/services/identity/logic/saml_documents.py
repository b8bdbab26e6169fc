"""The XML of SAML 2: metadata, responses with a signed assertion, envelopes for clients that carry them (ECP).

Loaded only where such a document is asked for. All documents are ASCII, so that a client that takes their bytes for
another encoding does not break the signature.

Sources: SAML 2.0 Core, Metadata and Profiles; XML Signature, section 6.6.4; upstream's attributes "openstack_…".
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from hanok.base.clock import zulu
from hanok.services.identity.logic.saml import Said, SAMLSettings
from hanok.services.identity.logic.saml_key import Signer

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
ECP = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
DS = "http://www.w3.org/2000/09/xmldsig#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XS = "http://www.w3.org/2001/XMLSchema"
XML = "http://www.w3.org/XML/1998/namespace"
_PREFIXES = {"saml": SAML, "samlp": SAMLP, "ds": DS, "xsi": XSI, "xs": XS}

ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
URI_NAME = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
URI_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:URI"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"


def metadata(settings: SAMLSettings, signer: Signer) -> bytes:
    """Who the identity provider is and what its signatures are checked with."""
    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS})
    root.set("entityID", settings.entity_id)
    role = _add(root, MD, "IDPSSODescriptor", protocolSupportEnumeration=SAMLP)
    info = _add(_add(role, MD, "KeyDescriptor", use="signing"), DS, "KeyInfo")
    pem = signer.certificate.public_bytes(serialization.Encoding.PEM).decode()
    _add(_add(info, DS, "X509Data"), DS, "X509Certificate", "".join(pem.split("\n")[1:-2]))
    if settings.organization is not None:
        there = settings.organization
        part = _add(role, MD, "Organization")
        for name, text in (
            ("OrganizationName", there.name),
            ("OrganizationDisplayName", there.display_name),
            ("OrganizationURL", there.url),
        ):
            _add(part, MD, name, text).set(f"{{{XML}}}lang", settings.language)
    if settings.contact is not None:
        person = settings.contact
        part = _add(role, MD, "ContactPerson", contactType=person.type)
        for name, text in (
            ("Company", person.company),
            ("GivenName", person.given_name),
            ("SurName", person.surname),
            ("EmailAddress", person.email),
            ("TelephoneNumber", person.telephone),
        ):
            _add(part, MD, name, text)
    _add(role, MD, "NameIDFormat", TRANSIENT)
    where = settings.sso_endpoint or settings.entity_id
    _add(role, MD, "SingleSignOnService", Binding=URI_BINDING, Location=where)
    return _bytes(root)


def response(said: Said, settings: SAMLSettings, signer: Signer) -> bytes:
    """A response, not asked for by the service provider, with one signed assertion."""
    return _bytes(_response(said, settings, signer))


def envelope(said: Said, relay_state: str, settings: SAMLSettings, signer: Signer) -> bytes:
    """A response as a client hands it to a service provider by the profile ECP."""
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP, "ecp": ECP})
    relay = _add(_add(root, SOAP, "Header"), ECP, "RelayState", relay_state)
    relay.set(f"{{{SOAP}}}actor", NEXT)
    relay.set(f"{{{SOAP}}}mustUnderstand", "1")
    _add(root, SOAP, "Body").append(_response(said, settings, signer))
    return _bytes(root)


def _response(said: Said, settings: SAMLSettings, signer: Signer) -> Any:
    root = etree.Element(f"{{{SAMLP}}}Response", nsmap=_PREFIXES)
    _issued(root, said)
    root.set("Destination", said.recipient)
    _add(root, SAML, "Issuer", settings.entity_id, Format=ENTITY)
    _add(_add(root, SAMLP, "Status"), SAMLP, "StatusCode", Value=SUCCESS)
    root.append(_assertion(said, settings, signer))
    return root


def _assertion(said: Said, settings: SAMLSettings, signer: Signer) -> Any:
    ends_at = zulu(said.ends_at) or ""
    root = etree.Element(f"{{{SAML}}}Assertion", nsmap=_PREFIXES)
    _issued(root, said)
    _add(root, SAML, "Issuer", settings.entity_id, Format=ENTITY)
    _add(root, DS, "Signature", Id="placeholder")  # signxml puts the signature here
    subject = _add(root, SAML, "Subject")
    _add(subject, SAML, "NameID", said.user)
    confirmation = _add(subject, SAML, "SubjectConfirmation", Method=BEARER)
    _add(
        confirmation,
        SAML,
        "SubjectConfirmationData",
        NotOnOrAfter=ends_at,
        Recipient=said.recipient,
    )
    _add(root, SAML, "Conditions", NotOnOrAfter=ends_at)
    signed_in = _add(
        root,
        SAML,
        "AuthnStatement",
        AuthnInstant=zulu(said.at) or "",
        SessionIndex=secrets.token_hex(16),
        SessionNotOnOrAfter=ends_at,
    )
    context = _add(signed_in, SAML, "AuthnContext")
    _add(context, SAML, "AuthnContextClassRef", PASSWORD if said.by_password else UNSPECIFIED)
    _add(context, SAML, "AuthenticatingAuthority", settings.entity_id)
    statement = _add(root, SAML, "AttributeStatement")
    _attribute(statement, "openstack_user", [said.user])
    _attribute(statement, "openstack_roles", said.roles)
    _attribute(statement, "openstack_project", [said.project])
    _attribute(statement, "openstack_project_domain", [said.project_domain])
    _attribute(statement, "openstack_user_domain", [said.user_domain])
    if said.groups:
        _attribute(statement, "openstack_groups", said.groups)
    return _signed(root, signer)


def _attribute(statement: Any, name: str, values: Sequence[str]) -> None:
    attribute = _add(statement, SAML, "Attribute", Name=name, NameFormat=URI_NAME)
    for value in values:
        _add(attribute, SAML, "AttributeValue", value).set(f"{{{XSI}}}type", "xs:string")


def _signed(root: Any, signer: Signer) -> Any:
    is_rsa = isinstance(signer.key, rsa.RSAPrivateKey)
    return XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256 if is_rsa else SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    ).sign(
        root,
        key=signer.key,
        cert=[signer.certificate],
        reference_uri=root.get("ID"),
        id_attribute="ID",
    )


def _issued(element: Any, said: Said) -> None:
    element.set("ID", f"_{secrets.token_hex(16)}")
    element.set("IssueInstant", zulu(said.at) or "")
    element.set("Version", "2.0")


def _add(parent: Any, namespace: str, name: str, text: str = "", /, **attributes: str) -> Any:
    element = etree.SubElement(parent, f"{{{namespace}}}{name}", attributes)
    if text:
        element.text = text
    return element


def _bytes(root: Any) -> bytes:
    text: bytes = etree.tostring(root, encoding="us-ascii", xml_declaration=False)
    return b"<?xml version='1.0' encoding='UTF-8'?>\n" + text
