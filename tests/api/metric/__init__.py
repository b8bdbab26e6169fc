"""Conversations with metric."""
