"""Pages in the browser; a client of the public APIs like any other."""
