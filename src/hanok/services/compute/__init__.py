"""Compute v2.1, microversions 2.1 to 2.104: servers and what they are made from.

Owns flavors, servers, key pairs, hosts as services and hypervisors, compute's quotas, and console tokens. Where a
server may run is asked of placement; its image, ports and addresses belong to the image and network rooms.

Source: Compute API reference and its microversion history.
"""
