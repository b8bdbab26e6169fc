"""The ways to sign in, one module a method. A new one is a module and a line here."""

from __future__ import annotations

from hanok.services.identity.logic.methods import (
    application_credential,
    oauth1,
    password,
    token,
    totp,
)

METHODS = {
    method.name: method
    for method in (
        password.METHOD,
        token.METHOD,
        application_credential.METHOD,
        totp.METHOD,
        oauth1.METHOD,
        *token.FEDERATED,
    )
}
