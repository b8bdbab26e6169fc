"""Hands: libraries that drive one engine each and know no service."""
