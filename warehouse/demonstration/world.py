"""The demonstration world on disk: a first stage, a second one that changes it, and files that must be refused."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from warehouse.demonstration.country import MINIMUM_ENTERPRISES, draw_country, split_disclosures
from warehouse.demonstration.deliveries import write_first, write_refused, write_second
from warehouse.demonstration.exchange import write_exchanged
from warehouse.demonstration.files import Stage
from warehouse.demonstration.instruments.register import draw_registers
from warehouse.demonstration.readme import write_readme
from warehouse.demonstration.truth import Truth, write_truth


@dataclass(frozen=True)
class World:
    """Where the world lies and what it holds: `first`, `second` and `refused` are folders of the shape inbox/ + manifest.csv."""

    folder: Path
    first: Path
    second: Path
    refused: Path
    truth: Path
    enterprise_count: int
    disclosure_count: int
    line_count: int


def make_world(out: Path, enterprises: int = 400, seed: int = 20240522, lines: int | None = None, file_format: str = "csv") -> World:
    """Write the world below `out` (its own folders there are replaced) and say what it holds.

    `lines`: about so many activity lines in the first stage, with as many enterprises as that takes (`enterprises` is then ignored).
    `file_format`: csv or parquet, of the first stage; faults need text, so the second stage is always CSV.
    The same arguments give the same bytes. Raises ValueError for too few enterprises or an unknown format.
    """
    if file_format not in ("csv", "parquet"):
        raise ValueError(f"file_format must be csv or parquet, found {file_format}")
    if lines is None and enterprises < MINIMUM_ENTERPRISES:
        raise ValueError(f"a demonstration needs at least {MINIMUM_ENTERPRISES} enterprises, found {enterprises}")
    country = draw_country(enterprises, seed, lines)
    stages = {name: Stage(out / name) for name in ("first", "second", "exchange", "refused")}
    for stage in stages.values():
        shutil.rmtree(stage.folder, ignore_errors=True)
        stage.folder.mkdir(parents=True)
    truth = Truth()
    rng = np.random.default_rng([seed, 2])
    split = split_disclosures(country, rng)
    write_first(country, split, stages["first"], truth, file_format=file_format, rng=rng)
    write_second(country, split, stages, truth, file_format=file_format, rng=rng)
    registers = draw_registers(country, split)
    registers.write_first(stages["first"], truth, file_format)
    registers.write_second(stages["second"], truth)
    labels, _ = registers.tables["label_certificate"]
    write_exchanged(country, labels, stages["exchange"], truth, np.random.default_rng([seed, 5]))
    write_refused(country, stages["refused"], truth)
    for stage in stages.values():
        stage.write_manifest()
    arguments = {"enterprises": country.enterprises.num_rows, "seed": seed, "lines": lines, "file_format": file_format}
    write_truth(out / "truth.json", arguments, truth)
    write_readme(out, country.enterprises.num_rows, len(country.base), len(country.lines))
    counts = (country.enterprises.num_rows, len(country.base), len(country.lines))
    return World(out, stages["first"].folder, stages["second"].folder, stages["refused"].folder, out / "truth.json", *counts)
