"""Network v2.0: networks, subnets, ports, routers, floating IPs, security groups.

Source: Networking API v2.0 reference.
"""
