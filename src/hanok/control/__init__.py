"""The control process: builds every room once and serves the APIs."""
