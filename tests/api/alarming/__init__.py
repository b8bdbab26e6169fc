"""Conversations with alarming."""
