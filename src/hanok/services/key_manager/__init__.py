"""Key Manager API v1, versions 1.0 to 1.2: secrets, sealed while they are in the database, and containers of them.

Owns secrets with their payloads, metadata and ACLs, containers, orders, and who says to use which. There is one secret
store, which takes no transport keys.
"""
