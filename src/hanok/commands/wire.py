"""Commands over a bus: subjects, encoding, asking.

node.<host>.command       request/reply: a Command, an Answer
control.metadata.<host>   request/reply: a MetadataQuestion, a MetadataDocument
control.instance.<host>   event: InstanceChanged
control.guests.<host>     request/reply: a GuestsQuestion, OwnGuests
control.heartbeat.<host>  event: HostState, every HEARTBEAT_S
control.wake              event: what is worth a look (hanok.bus.wakes)
"""

from __future__ import annotations

import re

import msgspec

from hanok.bus import Bus, NobodyThere
from hanok.commands.all_of_them import COMMAND_TYPES, Answer
from hanok.commands.messages import (
    Command,
    GuestsQuestion,
    HostState,
    InstanceChanged,
    MetadataDocument,
    MetadataQuestion,
    OwnGuests,
)

HEARTBEAT_S = 10.0

# Of the channel for bytes (hanok.control.byte_door).
HOST_HEADER = "X-Hanok-Host"
HASH_HEADER = "X-Hanok-SHA256"  # of the whole, in hexadecimal
OFFSET_HEADER = "X-Hanok-Offset"  # how many bytes are there
WHOLE_HEADER = "X-Hanok-Whole"  # and that these are all

METADATA = "control.metadata"
INSTANCE = "control.instance"
HEARTBEAT = "control.heartbeat"
GUESTS = "control.guests"
TOPICS = (METADATA, INSTANCE, HEARTBEAT, GUESTS)  # all on which a host speaks

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(COMMAND_TYPES).decode
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
decode_answer = _answers.decode
decode_host_state = msgspec.msgpack.Decoder(HostState).decode
decode_instance_changed = msgspec.msgpack.Decoder(InstanceChanged).decode
decode_question = msgspec.msgpack.Decoder(MetadataQuestion).decode
decode_guests_question = msgspec.msgpack.Decoder(GuestsQuestion).decode
decode_own_guests = msgspec.msgpack.Decoder(OwnGuests).decode
decode_document = msgspec.msgpack.Decoder(MetadataDocument).decode


def host_token(host: str) -> str:
    """A host's name as a part of a subject: dots and wildcards in it would be subject syntax."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", host)


def node_subject(host: str) -> str:
    """Where a host listens."""
    return f"node.{host_token(host)}.command"


def from_host(topic: str, host: str) -> str:
    """Where a host speaks. The bus lets each host speak under its own name only."""
    return f"{topic}.{host_token(host)}"


def inbox(host: str) -> str:
    """Where answers to a host's questions go; no other host hears them."""
    return f"_INBOX.host.{host_token(host)}"


def speaks_for(subject: str, host: str) -> bool:
    """Whether what came by this subject is of that host."""
    return subject.rpartition(".")[2] == host_token(host)


async def ask(bus: Bus, host: str, command: Command, *, timeout_s: float) -> Answer:
    """Send a command to a host and return its answer.

    Raises:
        NobodyThere: the host does not listen, did not answer in time, or gave an answer that cannot be read. The
            command may still have been done.
    """
    raw = await bus.ask(node_subject(host), encode(command), timeout_s=timeout_s)
    try:
        return decode_answer(raw)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
    ) as error:  # of another version, or a broken host
        raise NobodyThere(f"host {host} gave an answer that cannot be read: {error}") from error
