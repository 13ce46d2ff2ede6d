"""Two releases compared, and a release foreseen: every move explained to the last bit, and what was planned is what comes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dashboards.reports import wording
from expectations.gate import Gatekeeper
from ingest.contract import read_contracts
from ingest.reference import ReferenceLists
from warehouse.comparison.attribution import Move
from warehouse.comparison.causes import CODE, FACTORS, NEW, RESTATED, RULES, find_difference
from warehouse.comparison.compare import Comparison, compare, read_state, release_folder
from warehouse.comparison.notice import LANGUAGES, notice_name, write_notice
from warehouse.comparison.plan import GWP_RULES, Candidate, Planned, accept_one_gwp_set, as_trial, plan
from warehouse.facts import is_demonstration, says_demonstration
from warehouse.ledger import Ledger
from warehouse.release import code_version, current_release, read_manifest, release
from warehouse.settings import Settings, SettingsError, parse_instant, read_settings
from warehouse.terminal import Terminal

from .conftest import SECOND, Published, Warehouse, copy_data, with_compiled

pytestmark = [pytest.mark.xdist_group("release"), pytest.mark.slow]
Open = Callable[[Path], Warehouse]


def compared(settings: Settings, first: str = "previous", second: str = "current", changes: Path | None = None) -> Comparison:
    ledger = Ledger(settings.ledger)
    states = [read_state(settings, release_folder(settings, ledger, name)) for name in (first, second)]
    found = compare(settings, ledger, states[0], states[1], code_version(), changes_to=changes)
    ledger.close()
    return found


@dataclasses.dataclass(frozen=True)
class Seen:
    """The comparison of the country's two releases."""

    settings: Settings
    found: Comparison
    changes: Path


@pytest.fixture(scope="session")
def seen(published: Published, compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    room = tmp_path_factory.mktemp("seen")
    settings = Settings(data=with_compiled(copy_data(published.after, room / "data"), compiled), threads=2)
    return Seen(settings, compared(settings, changes=room / "changes.parquet"), room / "changes.parquet")


def sector_figures(path: Path) -> dict[tuple[object, ...], float]:
    with duckdb.connect(str(path), read_only=True) as con:
        names = "product_code, boundary, gwp_set, reporting_year, province_code"
        rows = con.execute(f"select {names}, weighted_mean_kg_co2e from marts.footprint__sectors_by_year").fetchall()
    return {row[:-1]: row[-1] for row in rows}


def test_every_move_of_a_sector_mean_is_split_without_rest(seen: Seen) -> None:
    old, new = (
        sector_figures(release_folder(seen.settings, Ledger(seen.settings.ledger), name) / "ministry.duckdb")
        for name in ("previous", "current")
    )
    expected = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    moves = {tuple(move.key.values()): move for move in seen.found.attribution.moves if move.measure == "weighted_mean_kg_co2e"}
    assert set(moves) == expected
    assert sum(move.kind == "moved" for move in moves.values()) > 10
    for key, move in moves.items():
        assert (move.old, move.new) == (old.get(key), new.get(key))
        assert move.residual == 0
        if move.kind == "moved":
            assert sum(map(Fraction, move.parts.values())) == Fraction(new[key]) - Fraction(old[key])
        else:
            assert sum(move.parts.values()) == (1 if move.kind == "appeared" else -1)


def test_causes_are_those_that_happened(seen: Seen) -> None:
    """The second batch brings factors, restatements and new disclosures; the code is the same, and declared means know no factor."""
    parts: dict[str, set[str]] = {}
    for move in seen.found.attribution.moves:
        parts.setdefault(move.measure, set()).update(move.parts)
    assert parts["weighted_mean_kg_co2e"] == {NEW, RESTATED}
    assert parts["recalculated_mean_kg_co2e"] == {NEW, RESTATED, FACTORS}
    assert CODE not in seen.found.attribution.causes
    assert seen.found.attribution.row_counts[FACTORS].keys() == {"emission_factor"}


def test_rules_and_code_act_through_evaluations_and_leave_no_rest(seen: Seen, tmp_path: Path) -> None:
    """Had steel been declared per kilogram before: what was published then does not follow from that, which is the code's part, and the
    change of the list is the rules'. Both together are nothing, since nothing else differs from before.
    """
    overlay = tmp_path / "lists"
    overlay.mkdir()
    text = ReferenceLists().files["product_catalogue"].read_text(encoding="utf-8")
    lines = [line.replace(",t,", ",kg,") if line.startswith("STEEL-BF,") else line for line in text.splitlines()]
    (overlay / "product_catalogue.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ledger = Ledger(seen.settings.ledger)
    first, second = (read_state(seen.settings, release_folder(seen.settings, ledger, name)) for name in ("previous", "current"))
    first = dataclasses.replace(first, lists=ReferenceLists(overlay=overlay))
    found = compare(seen.settings, ledger, first, second, code_version()).attribution
    assert {RULES, CODE} <= set(found.causes)
    there = {(move.measure, *move.key.values()): move for move in seen.found.attribution.moves}
    touched = 0
    for move in found.moves:
        assert move.residual == 0
        before = there[move.measure, *move.key.values()]
        if move.kind == "moved" and RULES in move.parts:
            touched += 1
            assert move.key["product_code"] == "STEEL-BF"
            assert move.parts[RULES] * move.parts[CODE] < 0
            assert abs(move.parts[CODE]) == pytest.approx(0.999 * (move.old or 0), rel=1e-6)
        else:
            assert move.parts == before.parts
    assert touched > 3


def test_comparison_backwards_turns_every_part_round(seen: Seen) -> None:
    back = compared(seen.settings, "current", "previous").attribution.moves
    there = {(move.measure, *move.key.values()): move for move in seen.found.attribution.moves}
    assert len(back) == len(there)
    for move in back:
        forth = there[move.measure, *move.key.values()]
        assert move.residual == 0
        assert {name: -part for name, part in move.parts.items()} == pytest.approx(dict(forth.parts), rel=1e-9, abs=1e-9)


def test_changes_are_those_of_the_files(seen: Seen) -> None:
    """Counted again by other means, for every mart: rows that only one side has, by whole rows."""
    folders = [release_folder(seen.settings, Ledger(seen.settings.ledger), name) / "ministry.duckdb" for name in ("previous", "current")]
    told = {mart.mart: mart for mart in seen.found.marts}
    assert list(told) == sorted(told, key=lambda name: (-told[name].touched, name))
    with duckdb.connect() as con:
        for name, path in zip(("a", "b"), folders, strict=True):
            con.execute(f"attach '{path}' as {name} (read_only)")
        marts = con.execute("select table_name from duckdb_tables() where database_name = 'b' and schema_name = 'marts'").fetchall()
        for (mart,) in marts:
            if mart.startswith("release__"):
                assert mart not in told
                continue
            counts = [
                (con.execute(f"select count(*) from (from {one}.marts.{mart} except all from {other}.marts.{mart})").fetchone() or (0,))[0]
                for one, other in (("a", "b"), ("b", "a"))
            ]
            change = told.get(mart)
            assert counts == ([change.removed + change.changed, change.added + change.changed] if change else [0, 0]), mart
        cells = con.execute(
            "select count(*) from read_parquet(?) where column_name is not null and old_value is not distinct from new_value",
            [str(seen.changes)],
        ).fetchone()
    assert cells == (0,)


def test_release_compared_with_itself_shows_nothing(seen: Seen) -> None:
    found = compared(seen.settings, "current", "current")
    assert (found.marts, found.largest, found.attribution.moves) == ([], [], [])


def test_unknown_release_is_told_with_those_there_are(seen: Seen) -> None:
    with pytest.raises(SettingsError, match="20261031-"):
        release_folder(seen.settings, Ledger(seen.settings.ledger), "nothing")


def test_landing_file_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    settings = dataclasses.replace(read_settings(), data=tmp_path)
    side = [{"path": "landing/loan/1.parquet", "source": "loan"}]
    with duckdb.connect() as con, pytest.raises(SettingsError) as caught:
        find_difference(con, settings, Ledger(tmp_path / "ledger.sqlite"), read_contracts(), (side, []))
    assert caught.value.in_language("zh").startswith("发布所据的已入库文件不在了：landing/loan/1.parquet")
    assert caught.value.in_language("en").startswith("a landed file that a release was made from is gone: landing/loan/1.parquet")


def test_notice_stands_beside_the_release_in_both_languages(seen: Seen, published: Published) -> None:
    """Drawn when the release was made, from the models as its build compiled them; drawn again, it says the same."""
    folder = release_folder(seen.settings, Ledger(seen.settings.ledger), "current")
    listed = read_manifest(folder)["notices"]
    assert set(listed) == {notice_name(lang) for lang in LANGUAGES}
    for lang in LANGUAGES:
        text = (folder / notice_name(lang)).read_text(encoding="utf-8")
        assert listed[notice_name(lang)] == hashlib.sha256(text.encode()).hexdigest()
        assert text == write_notice(seen.found, lang)
        assert len([line for line in text.splitlines() if line.startswith("## ")]) == 4, "data, method, code, and the marts"
        means = [line for line in text.splitlines() if " → " in line and line.startswith("- ")]
        assert means and all(re.search(r"→ [\d,.]+ kgCO₂e/\w+[（ ]", line) for line in means), "every figure has its unit"
        assert not re.search(r"\d{4}(?! · )\.?\d* (行|rows)|[ （(]-\d", text), "separators, and true minus signs"
        assert "cradle_to_" not in text and "product_footprint " not in text, "read by names"
    assert read_manifest((published.before / "releases" / "current").resolve())["notices"] == {}


def test_notice_says_when_the_data_are_synthetic(seen: Seen, tmp_path: Path) -> None:
    """By the mark of the data directory, as when a release is being made, or by what a released file says of itself."""
    assert not seen.found.is_demonstration
    for lang in LANGUAGES:
        banner = wording.say("demonstration")[lang]
        assert banner in write_notice(dataclasses.replace(seen.found, is_demonstration=True), lang).splitlines()[2]
        assert banner not in write_notice(seen.found, lang)
    file = tmp_path / "released.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts")
    assert not says_demonstration(file), "a build says nothing"
    for is_synthetic in (False, True):
        with duckdb.connect(str(file)) as con:
            con.execute(f"create or replace table marts.release__summary as select {is_synthetic} as is_demonstration")
        assert says_demonstration(file) is is_synthetic
    assert is_demonstration(dataclasses.replace(seen.settings, data=tmp_path)) is False
    (tmp_path / "demonstration.json").write_text("{}")
    assert is_demonstration(dataclasses.replace(seen.settings, data=tmp_path)) is True


def test_command_tells_the_same(seen: Seen, tanlian: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    done = tanlian(seen.settings.data, "--json", "diff", "--html", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [mart["mart"] for mart in told["marts"]] == [mart.mart for mart in seen.found.marts]
    assert {move["residual"] for move in told["moves"]} == {0.0}
    assert len(told["moves"]) == len(seen.found.attribution.moves)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 6
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


# A plan


FACTOR = {
    "factor_id": "EF-candidate", "edition": "2099", "factor_family": "footprint", "activity_code": "electricity_grid", "activity_name": "电网",
    "geography_code": "CN", "unit": "kWh", "kg_co2e_per_unit": "0.5", "valid_from": "2022-01-01", "valid_to": "", "published_on": "2026-10-01",
    "publisher": "候选", "uncertainty_pct": "", "citation": "a candidate",
}  # fmt: skip


def fingerprint(data: Path) -> dict[str, str]:
    """Every file and link of a data directory with its content."""
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else str(path.is_symlink() and path.readlink())
        for path in sorted(data.rglob("*"))
    }


def cells(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        return con.execute("select * from read_parquet(?) order by all", [str(path)]).fetchall()


@dataclasses.dataclass(frozen=True)
class Foreseen:
    """A plan of a factor and other cut points; the same published; and that put back."""

    before: dict[str, str]
    after: dict[str, str]
    planned: Planned
    planned_cells: list[tuple[object, ...]]
    published: Comparison
    published_cells: list[tuple[object, ...]]
    marts: tuple[dict[str, object], dict[str, object]]
    restored: dict[str, Any]


@pytest.fixture(scope="session")
def foreseen(
    published: Published, compiled: Path, open_warehouse: Open, gatekeeper: Gatekeeper, tmp_path_factory: pytest.TempPathFactory
) -> Foreseen:
    room = tmp_path_factory.mktemp("foreseen")
    warehouse = open_warehouse(with_compiled(copy_data(published.after, room / "data"), compiled))
    settings = warehouse.settings
    factors = warehouse.write([FACTOR], room / "candidate.csv")
    lists = room / "lists"
    lists.mkdir()
    (lists / "tier_cut.csv").write_text(
        "tier,upper_percentile,valid_from,citation,confidence\n"
        + "".join(f"{n},{30 * n},2020-01-01,a candidate,assumed\n" for n in (1, 2, 3)),
        encoding="utf-8",
    )
    moment = parse_instant(SECOND)
    warehouse.ledger.close()
    before = fingerprint(settings.data)
    candidate = Candidate([("emission_factor", factors)], {"tier_cut": lists / "tier_cut.csv"})
    planned = plan(settings, candidate, moment, gatekeeper, changes_to=room / "planned.parquet")
    after = fingerprint(settings.data)
    again = open_warehouse(settings.data)
    original = read_manifest(current_release(settings) or Path())["marts"]
    again.intake.receive(factors, "emission_factor", moment)
    again.intake.land_pending()
    outcome = release(dataclasses.replace(settings, reference=lists), again.ledger, moment, gatekeeper)
    assert outcome.status == "published"
    seen = compared(settings, changes=room / "published.parquet")
    # Put back: the cut points by the list, the factor by asking as of a moment before it.
    # On a machine with another clock on the wall, another language and one thread.
    with pytest.MonkeyPatch.context() as elsewhere:
        for name, value in {"TZ": "America/New_York", "LC_ALL": "tr_TR.UTF-8", "LANG": "zh_CN.GB18030", "PYTHONHASHSEED": "7"}.items():
            elsewhere.setenv(name, value)
        one_thread = dataclasses.replace(settings, threads=1)
        outcome = release(one_thread, again.ledger, parse_instant("2026-10-31T23:59:58"), gatekeeper, rule_date="2026-10-30")
    assert outcome.status == "published"
    restored = read_manifest(current_release(settings) or Path())
    again.ledger.close()
    marts = (original, restored["marts"])
    return Foreseen(before, after, planned, cells(room / "planned.parquet"), seen, cells(room / "published.parquet"), marts, restored)


def test_plan_writes_nothing(foreseen: Foreseen) -> None:
    assert foreseen.before == foreseen.after


def test_plan_equals_row_for_row_what_publishing_brings(foreseen: Foreseen) -> None:
    assert foreseen.planned.comparison is not None
    assert foreseen.planned_cells == foreseen.published_cells
    assert {row[0] for row in foreseen.planned_cells} >= {"footprint__products", "footprint__product_tiers"}

    def told(comparison: Comparison) -> list[Move]:
        return list(comparison.attribution.moves)

    assert told(foreseen.planned.comparison) == told(foreseen.published)
    assert foreseen.planned.comparison.effects == foreseen.published.effects


def test_plan_tells_its_causes_and_effects(foreseen: Foreseen) -> None:
    comparison = foreseen.planned.comparison
    assert comparison is not None
    assert {cause for move in comparison.attribution.moves for cause in move.parts} == {FACTORS}
    effects = {effect["name"]: effect for effect in comparison.effects}
    assert effects["footprints"]["count"] > 100
    assert effects["tiers"]["count"] == sum(step["count"] for step in effects["tiers"]["steps"]) > 10
    assert effects["sector_means"]["count"] == 0


def test_reverting_restores_the_hashes(foreseen: Foreseen) -> None:
    """Also under the rules of an earlier day, since no rule has changed between, in another time zone and locale, and with one thread."""
    assert foreseen.marts[0] == foreseen.marts[1]


def test_knowledge_and_rules_have_a_clock_each(foreseen: Foreseen) -> None:
    assert (foreseen.restored["as_of"], foreseen.restored["rule_date"]) == ("2026-10-31T15:59:58Z", "2026-10-30")


def test_plan_of_a_gwp_set_refuses_the_others_from_a_day_on(tmp_path: Path) -> None:
    path = tmp_path / f"{GWP_RULES}.csv"
    path.write_text(accept_one_gwp_set(ReferenceLists(), "AR6", "2026-11-01"), encoding="utf-8")
    rows = ReferenceLists(overlay=tmp_path).table(GWP_RULES).to_pylist()
    newest = {row["gwp_set"]: row for row in sorted(rows, key=lambda row: row["valid_from"])}
    assert {name: row["is_accepted"] for name, row in newest.items()} == {"AR4": False, "AR5": False, "AR6": True}
    assert len(rows) == 2 * len(newest), "dated rows are added, none is rewritten"
    with pytest.raises(SettingsError, match="AR4, AR5, AR6"):
        accept_one_gwp_set(ReferenceLists(), "AR7", "2026-11-01")


def test_candidate_is_refused_as_a_delivery_is(published: Published, tmp_path: Path, open_warehouse: Open, gatekeeper: Gatekeeper) -> None:
    warehouse = open_warehouse(copy_data(published.after, tmp_path / "data"))
    path = warehouse.write([FACTOR | {"valid_to": "2021-01-01", "unit": "bushel"}], tmp_path / "bad.csv")
    planned = plan(warehouse.settings, Candidate([("emission_factor", path)]), parse_instant(SECOND), gatekeeper)
    assert planned.comparison is None
    warehouse.intake.receive(path, "emission_factor", parse_instant(SECOND))
    (delivered,) = warehouse.intake.land_pending()
    (receipt,) = planned.receipts
    for name in ("verdict", "reasons", "faults", "fault_counts"):
        assert receipt[name] == delivered[name]
    assert receipt["verdict"] == "rejected"
    assert delivered["workbook"] and not {"kept_in", "workbook", "settles"} & set(receipt), "a plan leaves nothing to take up"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_receipt_of_a_plan_promises_nothing_that_only_a_delivery_does(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"received": 2, "accepted": 1, "duplicate": 0, "quarantined": 1, "waiting": 0}
    said_of_it = {f"{part}_{spoken}": "x" for part in ("message", "reason") for spoken in ("zh", "en")}
    fault = {"row_number": 1, "code": "range", "column_name": "a", "value": "1"} | said_of_it
    delivered = {
        **{
            "source": "emission_factor",
            "file": "f.csv",
            "verdict": "partly_quarantined",
            "counts": counts,
            "reasons": [],
            "faults": [fault],
        },
        **{"layout": None, "normalised": {}, "unknown_columns": [], "fault_counts": {"range": 3}, "settles": {"closed": 14}},
        **{"kept_in": "quarantine/emission_factor/1.parquet", "workbook": "receipts/emission_factor/1/f.xlsx"},
    }
    Terminal(lang).receipt(delivered)
    said = capsys.readouterr().out
    Terminal(lang).receipt(as_trial(delivered))
    foreseen = capsys.readouterr().out
    assert "1.parquet" in said and "f.xlsx" in said
    assert not re.search("parquet|xlsx|隔离文件|quarantine file|由本次交付了结|settled by this", foreseen)
    assert {"zh": "将了结的此前隔离行：14", "en": "would settle: 14"}[lang] in foreseen


def test_list_that_cannot_be_used_is_refused_with_every_reason(published: Published, tmp_path: Path) -> None:
    path = tmp_path / "tier_cut.csv"
    path.write_text("tier,citation\n1,nothing\n", encoding="utf-8")
    settings = Settings(data=published.after)
    with pytest.raises(SettingsError, match="upper_percentile, valid_from"):
        plan(settings, Candidate(lists={"tier_cut": path}), parse_instant(SECOND))
    with pytest.raises(SettingsError, match="no_such_list"):
        plan(settings, Candidate(lists={"no_such_list": path}), parse_instant(SECOND))
