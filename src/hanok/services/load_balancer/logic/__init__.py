"""Decisions, each inside one transaction."""
