"""Reading a delivery where it can do no harm: in a process of its own, with limits, without files, network or other processes.

A file that hangs, explodes or breaks the program that reads it ends as a refusal; the process that judges deliveries lives on.
"""

from __future__ import annotations

from ingest.confinement.client import ConfinementBroken, read_confined
from ingest.confinement.limits import Limits, limits_for

__all__ = ["ConfinementBroken", "Limits", "limits_for", "read_confined"]
