"""Tests of metric's decisions."""
