"""What fuzzing found, and the inputs that reach most of each reader, read again in every run: no crash, no hang, no row lost or made up."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
KEPT = sorted((HERE / "hostile").glob("*/*"))


def load_targets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_readers", HERE / "fuzz_readers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_readers"] = module
    spec.loader.exec_module(module)
    return module


FUZZ = load_targets()


@pytest.mark.parametrize("reader", FUZZ.TARGETS)
def test_every_kept_input_is_refused_or_read_rightly(reader: str) -> None:
    attempt, seeds = FUZZ.TARGETS[reader]
    kept = [path.read_bytes() for path in KEPT if path.parent.name == reader]
    assert kept, "no input of an earlier run is kept"
    for data in seeds + kept:
        attempt(data)


@pytest.mark.parametrize("reader", FUZZ.TARGETS)
def test_seeds_are_read_and_not_refused(reader: str) -> None:
    """A target whose good input is refused would find nothing, ever."""
    if reader == "strict_json":
        assert [FUZZ.parse(seed) for seed in FUZZ.TARGETS[reader][1]]
        return
    for seed in FUZZ.TARGETS[reader][1]:
        data = FUZZ.pack(FUZZ.WORKBOOK | {FUZZ._PARTS[seed[0] % 4]: seed[1:]}) if reader == "workbook" else seed
        assert FUZZ.read(data).row_count > 0


@pytest.mark.parametrize("reader", FUZZ.TARGETS)
def test_random_damage_to_good_files_is_refused_or_read_rightly(reader: str) -> None:
    attempt, seeds = FUZZ.TARGETS[reader]

    @settings(max_examples=30, deadline=None)
    @given(st.sampled_from(seeds), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=4))
    def damage(seed: bytes, changes: list[tuple[float, int, bytes]]) -> None:
        data = bytearray(seed)
        for place, cut, put in changes:
            start = int(place * len(data))
            data[start : start + cut] = put
        attempt(bytes(data))

    damage()
