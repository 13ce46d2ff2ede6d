"""The gates: what lets a delivery or the marts through, or stops them."""
