"""Signing in: who somebody is, whether that is proof enough, and what they ask a token for.

Each method is a module in `methods`; here their proofs are put together.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import BadInput, Forbidden, NotSignedIn
from hanok.services.identity import schemas
from hanok.services.identity.logic import proofs, rights, standing, trusts
from hanok.services.identity.logic.methods import METHODS
from hanok.services.identity.logic.proofs import REFUSED, Attempt, Proof, refused
from hanok.services.identity.logic.tokens import Bounds, Receipt, since
from hanok.services.identity.room import Identity
from hanok.store import Transaction
from hanok.web.request import convert

__all__ = ["REFUSED", "Attempt", "Missing", "Scope", "enough", "prove", "scope"]


class Scope(Struct, frozen=True, kw_only=True):
    """What a token is for. kind: "p" (project), "d" (domain), "s" (system) or "" (nothing). trust: by which it is."""

    kind: str = ""
    id: str = ""
    trust: Row[Any] | None = None


class Missing(Struct, frozen=True, kw_only=True):
    """More methods are needed. required: the sets of methods of which one must be complete."""

    user: Row[Any]
    methods: tuple[str, ...]
    required: list[list[str]]


async def prove(attempt: Attempt, requested: dict[str, Any]) -> Proof:
    """Check every method that the request names; all must be of the same user.

    Raises:
        NotSignedIn: one of them does not hold. The user is not told which.
        NotFound: the token is not valid.
    """
    named = convert(requested, schemas.IdentityPart).methods
    found = []
    for name in dict.fromkeys(named):
        method = METHODS.get(name)
        if method is None:
            raise refused(f"no such sign-in method: {name}")
        if requested.get(name) is None:
            raise BadInput(f"Expecting to find {name} in identity.")
        found.append(await method.prove(attempt, convert(requested[name], method.shape)))
    return _together(found)


def _together(found: list[Proof]) -> Proof:
    """Several proofs as one: bounded by all of them."""
    if len({proof.user_id for proof in found}) != 1:
        raise refused("the methods name different users")
    if len(found) == 1:
        return found[0]
    if sum(proof.bound_project_id != "" for proof in found) > 1:
        raise refused("the methods are delegated in different ways")
    if len({proof.bounds.since_us for proof in found}) != 1:
        raise refused("the user's tokens were ended meanwhile")
    ends = [proof.no_later_than for proof in found if proof.no_later_than is not None]
    bounds = {
        name: value
        for name in Bounds.__struct_fields__
        if (value := next((v for p in found if (v := getattr(p.bounds, name))), None))
    }
    return Proof(
        user_id=found[0].user_id,
        default_project_id=found[0].default_project_id,
        methods=tuple(dict.fromkeys(method for proof in found for method in proof.methods)),
        no_later_than=min(ends) if ends else None,
        parent_audit_ids=next((p.parent_audit_ids for p in found if p.parent_audit_ids), ()),
        parent=next((p.parent for p in found if p.parent is not None), None),
        bounds=Bounds(**bounds),
        bound_project_id=next((p.bound_project_id for p in found if p.bound_project_id), ""),
    )


async def enough(attempt: Attempt, proof: Proof, receipt_text: str) -> tuple[Proof, Missing | None]:
    """Hold a proof, with what a receipt adds, against the user's own rules on methods.

    Raises:
        NotSignedIn: the receipt is not this user's, or not valid.
    """
    room = attempt.room
    async with attempt.database.read() as tx:
        user = await proofs.user_by_id(tx, proof.user_id)
    if user is None or not standing.is_enabled(user, room):
        raise refused("the user is switched off")
    if proof.bounds.since_us != since(user):
        raise refused("the user's tokens were ended meanwhile")
    methods = proof.methods
    receipt = None
    if receipt_text:
        receipt = room.tokens.open_receipt(receipt_text)
        if receipt is None or not _is_of(receipt, user):
            raise refused("the receipt is not valid")
        methods = tuple(dict.fromkeys((*proof.methods, *receipt.methods)))
        bounds = Bounds(
            **{
                name: getattr(proof.bounds, name) or getattr(receipt.bounds, name)
                for name in Bounds.__struct_fields__
            }
        )
        proof = _replaced(proof, methods, bounds)
    rules = _rules(user)
    if not rules or any(set(rule) <= set(methods) for rule in rules):
        await standing.was_active(attempt.database, room, user)
        return proof, None
    required = [rule for rule in rules if set(rule) & set(methods)]
    return proof, Missing(user=user, methods=methods, required=required)


def _replaced(proof: Proof, methods: tuple[str, ...], bounds: Bounds) -> Proof:
    values = {name: getattr(proof, name) for name in proof.__struct_fields__}
    return Proof(**{**values, "methods": methods, "bounds": bounds})


def _is_of(receipt: Receipt, user: Row[Any]) -> bool:
    return receipt.user_id == user.id and receipt.bounds.since_us == since(user)


def _rules(user: Row[Any]) -> list[list[str]]:
    """The sets of methods of which one is enough.

    A rule with a method that nobody serves cannot be kept, so it opens nothing. Where all of a user's old ones are so,
    nobody gets in until an administrator has mended them.
    """
    if user.options.get("multi_factor_auth_enabled") is False:
        return []
    return [list(rule) for rule in user.options.get("multi_factor_auth_rules") or []]


def check_rules(options: dict[str, Any]) -> None:
    """Hold a user's rules on methods against what is served.

    Raises:
        BadInput: each of them names a method that nobody serves, so the user could not sign in.
    """
    rules = options.get("multi_factor_auth_rules") or []
    unknown = [[method for method in rule if method not in METHODS] for rule in rules]
    if rules and all(unknown):
        raise BadInput(
            f"Invalid input for field 'multi_factor_auth_rules': {unknown[0][0]!r} is not a "
            f"sign-in method, and no other rule is without such; these are served: {', '.join(sorted(METHODS))}."
        )


async def scope(
    tx: Transaction, room: Identity, proof: Proof, requested: schemas.ScopePart | str | None
) -> Scope:
    """What the token is for. Whether the user has a role there is asked later.

    Raises:
        NotSignedIn: there is no such thing, or it is switched off.
    """
    if proof.bound_project_id:
        # Upstream refuses its own project, too: whoever names a scope has not understood whose credential it is.
        if requested is not None and proof.bounds.application_credential_id:
            raise NotSignedIn(
                "Error authenticating with application credential: Application credentials cannot "
                "request a scope."
            )
        return Scope(kind="p", id=proof.bound_project_id)
    if requested is None:
        if proof.parent is not None and proof.parent.scope:
            return Scope(kind=proof.parent.scope, id=proof.parent.scope_id)
        return await _default(tx, proof)
    if isinstance(requested, str):
        if requested != "unscoped":
            raise BadInput("Invalid input for field 'scope'.")
        return Scope()
    named = [name for name in requested.__struct_fields__ if getattr(requested, name) is not None]
    if len(named) != 1:
        raise BadInput("A scope names one of project, domain, system and OS-TRUST:trust.")
    if requested.unscoped is not None:
        return Scope()
    if requested.trust is not None:
        return await _trust(tx, room, proof, requested.trust)
    if proof.parent is not None and proof.parent.scope == "s" and requested.system is None:
        raise Forbidden("A system-scoped token is not exchanged for one of a project or domain.")
    if requested.project is not None:
        project = await proofs.project(tx, requested.project)
        if project is None or not project.enabled:
            raise refused("no such project, or it is disabled")
        return Scope(kind="p", id=project.id)
    if requested.domain is not None:
        domain = await proofs.domain(tx, requested.domain)
        if domain is None or not domain.enabled:
            raise refused("no such domain, or it is disabled")
        return Scope(kind="d", id=domain.id)
    assert requested.system is not None
    if not requested.system.all:
        raise refused("the system is taken whole")
    return Scope(kind="s", id="all")


async def _trust(
    tx: Transaction, room: Identity, proof: Proof, requested: schemas.TrustScope
) -> Scope:
    """A trust that is the user's to use; of another one nothing is told."""
    trust = await trusts.alive(tx, requested.id, room.clock.now())
    if trust is None or trust.trustee_user_id != proof.user_id or trusts.is_deferred(trust):
        raise refused("no such trust, it has ended, or the user is not its trustee")
    if await trusts.delegated(tx, trust, room.clock.now()) is None:
        raise Forbidden("Trustee has no delegated roles.")
    return Scope(kind="p" if trust.project_id else "", id=trust.project_id or "", trust=trust)


async def _default(tx: Transaction, proof: Proof) -> Scope:
    """Without a wish: the user's default project if the user may be there, else none."""
    if proof.default_project_id is None:
        return Scope()
    project = await proofs.project_by_id(tx, proof.default_project_id)
    if project is None or not project.enabled:
        return Scope()
    if not await rights.on_project(tx, proof.user_id, project.id):
        return Scope()
    return Scope(kind="p", id=project.id)
