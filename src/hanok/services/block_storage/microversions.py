"""The versions that block storage speaks: what each brought, in one line, and where it shows here.

Source: Block Storage API reference, "API microversion history".
"""

from __future__ import annotations

from hanok.web.microversions import Change, Range

MICROVERSIONS = Range(header_type="volume", minimum=(3, 0), maximum=(3, 71))

_VOLUMES, _SNAPSHOTS, _ATTACHMENTS = "volumes", "snapshots", "attachments"
_SERVICES, _MESSAGES, _TYPES = "services", "messages", "types"
_BACKUPS, _TRANSFERS, _GROUPS = "backups", "transfers", "groups"

HISTORY: tuple[Change, ...] = (
    Change((3, 0), "The first version with numbers; the same as v2.", "everything"),
    Change((3, 1), "The visibility and protection of an image that a volume is uploaded to.", "volume actions"),
    Change((3, 2), "Volumes are filtered by 'bootable' as true or false only."),
    Change((3, 3), "Messages to users.", _MESSAGES),
    Change((3, 4), "Volumes are filtered by the metadata of their image.", _VOLUMES),
    Change((3, 5), "Messages are filtered, ordered and cut into pages.", _MESSAGES),
    Change((3, 6), "A consistency group can be emptied and renamed without a name.", _GROUPS),
    Change((3, 7), "Clusters, and services in them.", "clusters, services"),
    Change((3, 8), "What can be taken over has addresses of its own.", "manageable volumes, manageable snapshots"),
    Change((3, 9), "Backups can be changed.", _BACKUPS),
    Change((3, 10), "Volumes are filtered by group.", _VOLUMES),
    Change((3, 11), "Group types and group specs.", _GROUPS),
    Change((3, 12), "A summary of volumes.", _VOLUMES),
    Change((3, 13), "Groups.", "groups, volumes"),
    Change((3, 14), "Group snapshots, and groups made of something.", "group snapshots, groups, snapshots"),
    Change((3, 15), "Keys of metadata can be changed under an ETag.", "metadata"),
    Change((3, 16), "A volume can be moved to a cluster.", "volume actions"),
    Change((3, 17), "What can be taken over is named by cluster, too.", "manageable volumes, manageable snapshots"),
    Change((3, 18), "Backups name their project.", _BACKUPS),
    Change((3, 19), "The state of group snapshots can be set.", _GROUPS),
    Change((3, 20), "The state of groups can be set.", _GROUPS),
    Change((3, 21), "Volumes name what the back end calls them.", _VOLUMES),
    Change((3, 22), "Snapshots are filtered by metadata.", _SNAPSHOTS),
    Change((3, 23), "A volume can be deleted whatever its state.", _VOLUMES),
    Change((3, 24), "What services left behind can be taken up.", "workers"),
    Change((3, 25), "Groups list their volumes.", _GROUPS),
    Change((3, 26), "Clusters say how their replication is.", "clusters"),
    Change((3, 27), "Attachments.", _ATTACHMENTS),
    Change((3, 28), "Pools are filtered by name.", "pools"),
    Change((3, 29), "Lists of groups and of group snapshots are filtered.", _GROUPS),
    Change((3, 30), "Snapshots are sorted by name.", _SNAPSHOTS),
    Change((3, 31), "Filters are what the operator says they are; others are refused.", "lists"),
    Change((3, 32), "How much services log can be seen and set.", _SERVICES),
    Change((3, 33), "The filters are listed.", "resource filters"),
    Change((3, 34), "Filters with '~' find what looks like it.", "lists"),
    Change((3, 35), "Pools are filtered by type.", "pools"),
    Change((3, 36), "The summary of volumes names their metadata.", _VOLUMES),
    Change((3, 37), "Backups are sorted by name.", _BACKUPS),
    Change((3, 38), "The replication of groups.", _GROUPS),
    Change((3, 39), "Limits of another project, for administrators.", "limits"),
    Change((3, 40), "A volume can be set back to its last snapshot.", "volume actions"),
    Change((3, 41), "Snapshots name their user.", _SNAPSHOTS),
    Change((3, 42), "A volume can be extended while it is in use.", "volume actions"),
    Change((3, 43), "Backups have metadata.", _BACKUPS),
    Change((3, 44), "Attachments are completed by who made them.", _ATTACHMENTS),
    Change((3, 45), "Lists say how many there are altogether.", "lists"),
    Change((3, 46), "Volumes of images without data, which name a snapshot."),
    Change((3, 47), "Volumes of backups.", _VOLUMES),
    Change((3, 48), "Volumes say whether their targets are shared, and which service has them.", _VOLUMES),
    Change((3, 49), "Services say which back end is active.", _SERVICES),
    Change((3, 50), "Several servers may use a volume at once.", _VOLUMES),
    Change((3, 51), "Backups in a zone.", _BACKUPS),
    Change((3, 52), "Types are filtered by extra specs.", _TYPES),
    Change((3, 53), "Bodies are checked: what is not known is refused.", "bodies"),
    Change((3, 54), "Attachments have a mode.", _ATTACHMENTS),
    Change((3, 55), "Transfers take snapshots along.", _TRANSFERS),
    Change((3, 56), "Backups name their user.", _BACKUPS),
    Change((3, 57), "Transfers say from whom and to whom.", _TRANSFERS),
    Change((3, 58), "Groups and group snapshots name their project.", _GROUPS),
    Change((3, 59), "Transfers are sorted.", _TRANSFERS),
    Change((3, 60), "Volumes are filtered by time.", _VOLUMES),
    Change((3, 61), "Volumes name their cluster.", _VOLUMES),
    Change((3, 62), "A project has a default type.", "default types"),
    Change((3, 63), "Volumes name the id of their type.", _VOLUMES),
    Change((3, 64), "Volumes and backups name the id of their key.", _VOLUMES),
    Change((3, 65), "Volumes and snapshots say whether they count.", "volumes, snapshots"),
    Change((3, 66), "A snapshot of a volume in use needs no force.", _SNAPSHOTS),
    Change((3, 67), "The project in the address is optional.", "addresses"),
    Change((3, 68), "An image can be written onto a volume.", "volume actions"),
    Change((3, 69), "Whether targets are shared may be unknown.", _VOLUMES),
    Change((3, 70), "Encrypted volumes can be transferred.", _TRANSFERS),
    Change((3, 71), "The extending of a volume in use is told to be over.", "volume actions"),
)  # fmt: skip
