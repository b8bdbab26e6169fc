"""Bodies and answers of block storage."""
