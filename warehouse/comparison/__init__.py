"""Two states of the warehouse compared: what changed, why sector means moved, and what a candidate would change."""
