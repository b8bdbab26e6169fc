"""`hanok up`: starts engines and processes, and keeps them running."""
