"""What operators want of the house: which services are on, and which access rules are in force."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.store import UTCDateTime, metadata

# What operators' files of access rules say, by the file's name without its ending ("policy", "compute").
policy_texts = sa.Table(
    "policy_texts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("edited_at", UTCDateTime, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),  # the control process that saw the edit
    sa.Column("problem", sa.Text),  # why the last edit is not in force
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("service", sa.String(64), primary_key=True),
    sa.Column("on", sa.Boolean, nullable=False),
    sa.Column("changed_at", UTCDateTime, nullable=False),
)

# Machines that joined the cloud; the one where it began is none of them.
cloud_hosts = sa.Table(
    "cloud_hosts",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("token", sa.String(63), nullable=False, unique=True),  # its name in subjects
    sa.Column("address", sa.String(45), nullable=False, unique=True),
    sa.Column("roles", sa.String(100), nullable=False),
    sa.Column("ends_at", UTCDateTime, nullable=False),  # when its newest certificate does
    sa.Column("anchor", sa.Text, nullable=False),  # what the southbound database trusts it by
    # Of a controller: what the cloud's databases trust its control process by, and the hash of that one's key.
    sa.Column("control_anchor", sa.Text),
    sa.Column("control_key", sa.String(64)),
    sa.Column("joined_by", sa.String(64), nullable=False),  # the hash of the secret
    sa.Column("joined_at", UTCDateTime, nullable=False),
)

# What lets a machine join, once: only the hash of its secret is kept.
join_tokens = sa.Table(
    "join_tokens",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("ends_at", UTCDateTime, nullable=False),
    sa.Column("used_by", sa.String(63)),
    sa.Column("roles", sa.String(100)),  # what the machine may be; none: compute
)

# What hosts were given; kept until it ends, since one that is revoked has to be known until then.
host_certificates = sa.Table(
    "host_certificates",
    metadata,
    sa.Column("serial", sa.String(64), primary_key=True),
    sa.Column("host", sa.String(63), nullable=False, index=True),
    sa.Column("revoked", sa.Boolean, nullable=False),
    sa.Column(
        "key_hash", sa.String(64)
    ),  # of the public key; none: it is from before this was kept
    sa.Column("ends_at", UTCDateTime, nullable=False),
)
