"""One room a service."""
