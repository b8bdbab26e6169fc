"""Orchestration v1 over HTTP."""
