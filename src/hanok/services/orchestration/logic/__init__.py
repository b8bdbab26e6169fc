"""Decisions about templates and stacks."""
