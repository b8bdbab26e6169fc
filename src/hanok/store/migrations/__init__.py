"""Alembic's folder: `env.py` and the versions, numbered in order."""
