"""Who carries load balancers: one interface, and those that have it."""
