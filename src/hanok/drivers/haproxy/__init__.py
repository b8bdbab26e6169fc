"""HAProxy: one process without rights, run in a network namespace, told by files and by its control socket."""
