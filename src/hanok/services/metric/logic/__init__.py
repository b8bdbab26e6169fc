"""Decisions on metrics and their resources."""
