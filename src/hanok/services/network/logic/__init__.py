"""Network's decisions, each inside one transaction."""
