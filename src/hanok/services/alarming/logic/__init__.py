"""Decisions on alarms."""
