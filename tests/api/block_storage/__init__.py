"""Block Storage v3 over HTTP."""
