"""Receive deliveries, read them, and split their rows into landing and quarantine as each source's contract says."""
