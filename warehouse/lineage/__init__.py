"""Where a figure comes from and what a row touches, derived from the compiled models."""
