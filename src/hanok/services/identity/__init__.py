"""Identity v3.14: who may sign in, what they are called, and what they may do where.

Owns domains, projects, users, groups, roles and their assignments, application credentials, and the catalog.
Domains are projects with `is_domain`, as upstream has them. Every change to a fact that a token's rights hang on raises
the revision; a validated token is remembered only for the revision it was validated at, on every replica.

Source: Identity API v3 reference.
"""
