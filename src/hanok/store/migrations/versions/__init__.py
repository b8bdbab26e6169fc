"""One file a migration; small, forward only, and working with the code before and after it."""
