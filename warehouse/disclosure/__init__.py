"""Disclosure control: which cells of a public table are withheld, and why (methods.md M4)."""
