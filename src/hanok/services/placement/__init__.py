"""Placement 1.0–1.39: what providers have, who uses how much, and who could take more.

Owns resource providers, inventories, allocations, traits, aggregates and resource classes. How much of an inventory is
used stands in its row; a claim raises it in the statement that compares it with the capacity, so two claims can never
both take the last of something.

Source: Placement API reference.
"""
