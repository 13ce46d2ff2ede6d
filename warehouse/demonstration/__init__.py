"""A deterministic demonstration country: published facts where they exist, clearly marked synthetic enterprises everywhere else."""

from warehouse.demonstration.world import World, make_world

__all__ = ["World", "make_world"]
