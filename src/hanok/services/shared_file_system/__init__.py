"""Shared file systems: shares that guests mount, who may mount them, snapshots, and where they are.

API: shared file systems v2 (2.0 to 2.99). Facts: shares and their instances, access rules, export locations.
"""
