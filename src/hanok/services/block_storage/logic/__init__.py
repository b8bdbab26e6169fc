"""Decisions of block storage, each inside one transaction."""
