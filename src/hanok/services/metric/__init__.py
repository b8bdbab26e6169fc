"""Metric v1: what things measure, kept as aggregates; and what the cloud itself measures of its servers.

Source: Gnocchi's REST API reference.
"""
