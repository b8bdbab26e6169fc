"""Bodies and answers of shared file systems."""
