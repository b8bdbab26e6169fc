"""The node process: what a host does, one function a command."""
