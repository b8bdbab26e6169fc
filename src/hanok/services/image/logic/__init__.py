"""Decisions inside one transaction, and the streaming of data."""
