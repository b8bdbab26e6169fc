"""The room of Block Storage v3.

Owns: volumes and their snapshots, types of volumes, attachments, back ends as hosts tell of them, user messages.
"""
