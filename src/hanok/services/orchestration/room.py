"""What orchestration's handlers and operations work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct, field

from hanok.base.aside import Aside
from hanok.base.clock import Clock
from hanok.events import Outbox
from hanok.operations import Starter
from hanok.services.orchestration.logic.expressions import Decided
from hanok.services.orchestration.logic.parts import Sealer
from hanok.store import Database, Transaction

CPU_S, MEMORY, WALL_S = 2, 512 << 20, 60.0  # of the process that works out expressions of yaql


class OrchestrationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    max_template_size: bytes of a template, and of an environment. max_files_size: of all files of a stack together.
    max_resources_per_stack: of a stack with all stacks within it. max_nested_stack_depth: stacks in each other.
    max_stacks_per_tenant: of a project. max_events_per_stack: that are kept. stack_action_timeout_s: of a change that
    names none. max_snapshots_per_stack: that are kept; -1: any number. kept_deleted_s: how long a stack that is gone is
    still shown. hidden_stack_tags: whoever has one of them is left out of lists. yaql_limit_iterators: items of a list
    that an expression may go over. yaql_memory_quota: bytes that one may make, as it counts them.
    """

    max_template_size: int = 524_288
    max_files_size: int = 1_048_576
    max_resources_per_stack: int = 1000
    max_nested_stack_depth: int = 5
    max_stacks_per_tenant: int = 512
    max_events_per_stack: int = 1000
    stack_action_timeout_s: int = 3600
    max_snapshots_per_stack: int = 32
    kept_deleted_s: int = 86_400
    hidden_stack_tags: tuple[str, ...] = ("data-processing-cluster",)
    yaql_limit_iterators: int = 200
    yaql_memory_quota: int = 10_000


Borrow = Callable[[str, str], Awaitable[str]]
"""What was lent becomes a token that is good for now, while its trust stands. Raises NotSignedIn: it does not."""

AskAs = Callable[
    [str, str, str, bytes, Mapping[str, str], str],
    Awaitable[tuple[int, Mapping[str, str], bytes]],
]
"""Token, method, path, body, headers, request id; gives status, headers, body."""


class StackUsers(Struct, frozen=True, kw_only=True):
    """Users that a stack has made, for guests and hooks: identity keeps them.

    ensure: user, name, project, password; gives their domain. forget: a user. forget_all: of a project, with it.
    token: of a user in a project. key: of a user in a project, under an access key; gives its secret. forget_key: one.
    """

    ensure: Callable[[str, str, str, str], Awaitable[str]]
    forget: Callable[[str], Awaitable[None]]
    forget_all: Callable[[Transaction, str], Awaitable[None]]
    token: Callable[[str, str], Awaitable[str]]
    key: Callable[[str, str, str], Awaitable[str]]
    forget_key: Callable[[str], Awaitable[None]]


class Orchestration(Struct, kw_only=True):
    """The room.

    lend: what a token is worth, to be kept; borrow: the other way. entrust: a trust for what was lent, in place of the
    one before; gives its id. end_trust: its work is done. made_by: the id of what a request made, by the request's id.
    aside: works out expressions. decided: what came of those in conditions. converge: begins the operation that brings
    a stack to what its row says, and stops an earlier one.
    """

    clock: Clock
    database: Database
    operations: Starter
    events: Outbox
    key: Sealer
    ask_as: AskAs
    lend: Callable[[str], Awaitable[str]]
    borrow: Borrow
    converge: Callable[[Transaction, Any], Awaitable[None]]
    made_by: Callable[[str], Awaitable[str | None]]
    users: StackUsers
    entrust: Callable[[Transaction, str, str], Awaitable[str]]
    end_trust: Callable[[Transaction, str], Awaitable[None]]
    region: str
    node_name: str
    settings: OrchestrationSettings = OrchestrationSettings()
    decided: Decided = field(default_factory=Decided)
    aside: Aside = field(
        default_factory=lambda: Aside(cpu_s=CPU_S, memory_bytes=MEMORY, wall_s=WALL_S)
    )
