"""Templates and their functions."""
