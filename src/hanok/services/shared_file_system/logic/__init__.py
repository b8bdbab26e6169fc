"""Decisions of shared file systems, each inside one transaction."""
