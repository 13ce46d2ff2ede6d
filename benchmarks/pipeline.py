"""The pipeline's side: receive, judge, build, gate and publish a world's first stage in one process, timed by stage.

python -m benchmarks.pipeline WORLD_STAGE DATA
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.stopwatch import Span, Stopwatch, read_clocks
from expectations.gate import Candidate, Gatekeeper, GateResult
from warehouse.intake import Intake
from warehouse.ledger import Ledger
from warehouse.release import release
from warehouse.settings import Settings, parse_instant
from warehouse.world import World, read_world

THREADS = 2


class TimedGatekeeper(Gatekeeper):
    """A gatekeeper that knows how long it was asked: landing is timed without it."""

    def __init__(self, docs: Path | None, watch: Stopwatch) -> None:
        super().__init__(docs)
        self._watch = watch

    def start(self) -> None:
        """Import Great Expectations and open its context now: a fixed cost, the same for ten rows and ten million."""
        with self._watch.stage("gate_start"):
            self._examiner.run("select 1")

    def judge_delivery(self, candidate: Candidate) -> GateResult:
        with self._watch.stage("landing_gates"):
            return super().judge_delivery(candidate)


def receive_all(intake: Intake, world: World) -> None:
    """Enter every file at nine o'clock, in China, of the day the manifest gives, some seconds apart so that the order holds."""
    for number, entry in enumerate(world.entries):
        moment = parse_instant(f"{entry['received_on']}T09:00:00") + timedelta(seconds=number)
        intake.receive(world.folder / "inbox" / entry["source"] / entry["file"], entry["source"], moment)


def closing_instant(world: World) -> datetime:
    """The last second of the last day of the manifest: the clock of the run, so that the day it is measured on changes nothing."""
    return parse_instant(max(entry["received_on"] for entry in world.entries))


def land(settings: Settings, ledger: Ledger, keeper: TimedGatekeeper, world: World, watch: Stopwatch) -> list[dict[str, Any]]:
    """Land the world; gives per file its verdict, rows and seconds (the gate's among them)."""
    begun = read_clocks()
    receipts: list[dict[str, Any]] = []
    intake = Intake(settings, ledger, keeper)
    receive_all(intake, world)
    moments = [read_clocks()]

    def note(receipt: dict[str, Any]) -> None:
        moments.append(read_clocks())
        receipts.append({name: receipt[name] for name in ("source", "file", "verdict")} | receipt["counts"])

    intake.land_pending(note)
    for receipt, start, end in zip(receipts, moments, moments[1:], strict=False):
        receipt["wall"] = round((end - start).wall, 3)
    watch.add("landing", read_clocks() - begun - watch.spans.get("landing_gates", Span()))
    return receipts


def release_world(settings: Settings, ledger: Ledger, keeper: Gatekeeper, as_of: datetime, watch: Stopwatch) -> dict[str, Any]:
    """Build, gate and publish; what `release` says on its way parts its time into dbt, gates and publishing."""
    marks: dict[str, Span] = {"": read_clocks()}

    def mark(said: str) -> None:
        if said in ("gate", "publish"):
            marks[said] = read_clocks()

    outcome = release(settings, ledger, as_of, keeper, mark)
    if outcome.status != "published" or outcome.manifest is None:
        raise RuntimeError(f"expected a new release, found {outcome.status}")
    end = read_clocks()
    watch.add("dbt", marks["gate"] - marks[""])
    watch.add("marts_gates", marks["publish"] - marks["gate"])
    watch.add("publish", end - marks["publish"])
    return outcome.manifest


def read_nodes(settings: Settings) -> list[dict[str, Any]]:
    """Seconds of each dbt node, slowest first."""
    path = max(settings.builds.glob("*/target/run_results.json"))
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    nodes = [{"node": result["unique_id"].split(".", 2)[2], "wall": round(result["execution_time"], 3)} for result in results]
    return sorted(nodes, key=lambda node: -node["wall"])


def run(stage: Path, data: Path) -> dict[str, Any]:
    """Land and release a stage of a world in a new data directory."""
    world = read_world(stage)
    watch = Stopwatch()
    settings = Settings(data=data.absolute(), threads=THREADS)
    settings.data.mkdir(parents=True)
    ledger = Ledger(settings.ledger)
    keeper = TimedGatekeeper(settings.gates, watch)
    keeper.start()
    files = land(settings, ledger, keeper, world, watch)
    as_of = closing_instant(world)
    manifest = release_world(settings, ledger, keeper, as_of, watch)
    ledger.close()
    return {
        "rows": sum(file["received"] for file in files),
        "stages": watch.as_dict(),
        "files": files,
        "nodes": read_nodes(settings),
        "marts": {name: mart["row_count"] for name, mart in manifest["marts"].items()},
        "as_of": as_of.isoformat() + "+00:00",
    }


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
