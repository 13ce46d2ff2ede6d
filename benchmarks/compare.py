"""From what was measured to what is told: the pipeline's figures, the bare script's, and their ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

AIM_LANDING, AIM_EVERYTHING, AIM_NOTHING_NEW = 2.5, 3.0, 10.0
LARGE = 1_000_000  # the aim for everything holds from here on: below, the fixed cost of a run is most of it


@dataclass(frozen=True)
class Line:
    """One measure at one size: `ours` and `bare` in `unit`; `cpu_ratio` is the ratio of processor seconds. `aim` bounds the ratio, or `ours` where there is none."""

    measure: str
    unit: str
    ours: float
    bare: float | None
    cpu_ratio: float | None
    aim: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.bare if self.bare else None

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return (self.ratio if self.ratio is not None else self.ours) <= self.aim


def add(*spans: dict[str, float]) -> dict[str, float]:
    return {kind: sum(span[kind] for span in spans) for kind in ("wall", "cpu")}


def _line(measure: str, ours: dict[str, float], bare: dict[str, float], aim: float | None = None) -> Line:
    return Line(measure, "s", ours["wall"], bare["wall"], ours["cpu"] / bare["cpu"] if bare["cpu"] else None, aim)


def compare(size: dict[str, Any]) -> list[Line]:
    """The lines of one size. Landing is held to the bare read and write, dbt to the bare SQL, all else to the whole bare run."""
    ours, bare = size["pipeline"]["stages"], size["bare"]["stages"]
    whole, bare_whole = size["pipeline"]["whole"], size["bare"]["whole"]
    nothing = add(*size["pipeline"]["nothing_new"].values())
    return [
        _line("landing", ours["landing"], bare["read_and_write"], AIM_LANDING),
        _line("gates", add(ours["gate_start"], ours["landing_gates"], ours["marts_gates"]), bare_whole),
        _line("dbt", ours["dbt"], bare["marts"]),
        _line("publish", ours["publish"], bare_whole),
        _line("everything", whole, bare_whole, AIM_EVERYTHING if size["lines"] >= LARGE else None),
        Line("memory", "MiB", size["pipeline"]["peak_bytes"] / 2**20, size["bare"]["peak_bytes"] / 2**20, None),
        Line("nothing_new", "s", nothing["wall"], None, None, AIM_NOTHING_NEW),
    ]


def stage_parts(size: dict[str, Any]) -> list[dict[str, Any]]:
    """Wall seconds of each stage of each side, for the plot; what no stage covers is the start of the process and its end."""
    parts = []
    for side in ("pipeline", "bare"):
        stages = {name: span["wall"] for name, span in size[side]["stages"].items()}
        stages["start"] = max(0.0, size[side]["whole"]["wall"] - sum(stages.values()))
        parts += [{"lines": size["lines"], "side": side, "stage": name, "seconds": seconds} for name, seconds in stages.items()]
    return parts
