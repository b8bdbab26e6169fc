"""What control asks of two hosts between which a guest moves while it runs.

In order: the old host says of what the guest consists (OfferDisks with `live`), the new one waits for it
(ExpectInstance), the old one sends it (SendInstance), the new one has it (AdmitInstance), the old one forgets it
(RemoveInstance). Which host has it is decided once: by the old one, when all of it has arrived; it never runs there
again unless the new one has thrown away what arrived (RefuseInstance) and it is told so (KeepInstance).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from hanok.commands.messages import ByteChannel, Command, EnsureInstance


class ExpectInstance(Command, frozen=True, kw_only=True, tag="expect_instance"):
    """A guest that runs on another host may come here: its process is there and waits. Answer: ExpectedInstance.

    instance: as it is here; sizes: of its disks in bytes, by name, as OfferDisks told them. from_host: who may send it.
    power: how it stands when it has come. It belongs to this host from AdmitInstance on, or when the other host says
    that it has sent it.
    """

    server_id: str
    generation: int
    instance: EnsureInstance
    from_host: str
    sizes: dict[str, int] = field(default_factory=dict)
    power: Literal["running", "paused"] = "running"


class SendInstance(Command, frozen=True, kw_only=True, tag="send_instance"):
    """The guest is on the host that expects it, which is where `target` leads. Answer: SentInstance.

    After at most wait_s; ask again until it is sent. disks: the names of those that go along.
    hurry: it may stand still until all of it is there. What fails leaves the guest here as it was.
    """

    server_id: str
    generation: int
    target: ByteChannel
    disks: tuple[str, ...] = ()
    hurry: bool = False
    wait_s: float = 1.0


class AdmitInstance(Command, frozen=True, kw_only=True, tag="admit_instance"):
    """The guest that was sent here is this host's, and stands as is wanted. Answer: InstanceState."""

    server_id: str
    generation: int


class KeepInstance(Command, frozen=True, kw_only=True, tag="keep_instance"):
    """The guest stays on this host, and nothing more of it is sent. Answer: KeptInstance.

    One that was sent already is left as it is, unless even_sent: nobody else has it.
    """

    server_id: str
    generation: int
    even_sent: bool = False


class RefuseInstance(Command, frozen=True, kw_only=True, tag="refuse_instance"):
    """The guest that is expected does not come any more; nothing of it is here. Answer: RefusedInstance.

    One that has come is left as it is.
    """

    server_id: str
    generation: int


MOVING_COMMANDS = ExpectInstance | SendInstance | AdmitInstance | KeepInstance | RefuseInstance


# ---- answers


class ExpectedInstance(Struct, frozen=True, kw_only=True, tag_field="answer", tag="expected_instance"):  # fmt: skip
    """Where the other host sends it to: the names of its streams stand behind the channel's address."""

    target: ByteChannel


class SentInstance(Struct, frozen=True, kw_only=True, tag_field="answer", tag="sent_instance"):
    """Whether all of it is there; if not, how far it is, as "memory_total_bytes" and the like."""

    sent: bool
    progress: dict[str, int] = field(default_factory=dict)


class KeptInstance(Struct, frozen=True, kw_only=True, tag_field="answer", tag="kept_instance"):
    """sent: whether it was sent, and is not here any more."""

    sent: bool


class RefusedInstance(Struct, frozen=True, kw_only=True, tag_field="answer", tag="refused_instance"):  # fmt: skip
    """has_come: whether it is here, and stays."""

    has_come: bool


MovingAnswer = ExpectedInstance | SentInstance | KeptInstance | RefusedInstance
