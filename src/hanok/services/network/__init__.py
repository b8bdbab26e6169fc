"""Network v2.0: networks, subnets, ports, routers, floating IPs, security groups.

Owns who has which address, what may pass, and what OVN is told of it. The tables are the truth; OVN is a copy that a
reconciler can write anew. `extensions` says what is served beyond the core of the API, and nothing else is.

Source: Networking API v2.0 reference.
"""
