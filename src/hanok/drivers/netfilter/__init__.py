"""The kernel's packet filter in a network namespace: rules told by `nft`, flows counted and forgotten by netlink."""
