"""Decisions inside one transaction."""
