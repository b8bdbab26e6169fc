"""What is sent and shown."""
