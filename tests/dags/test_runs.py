"""The DAGs as they really run (`dag.test()` in a child process), over a `tanlian` whose exit codes are known."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from warehouse.airflow_home import AirflowError
from warehouse.dag_run import DagRunner, DagRuns, Progress, run_dags

from .conftest import connect, put_files, read_calls, refuse_release


def run(data: Path, *sources: str, groups: int = 1) -> tuple[DagRuns, list[Progress]]:
    seen: list[Progress] = []
    return run_dags(data, sources, seen.append, groups), seen


def list_states(seen: list[Progress], dag: str) -> list[tuple[str, int, str]]:
    return [(event.task, event.map_index, event.state) for event in seen if event.dag == dag and event.task and event.state != "running"]


def list_landed(data: Path, source: str) -> list[str]:
    calls = [call for call in read_calls(data) if call[:3] == ["land", "--source", source] and "--list" not in call]
    return [name for call in calls for name in call[4::2]]


def count_asset_events(data: Path) -> dict[str, int]:
    query = "select uri, count(*) from asset_event join asset on asset.id = asset_id group by uri"
    with sqlite3.connect(data / "airflow" / "airflow.db") as connection:
        return dict(connection.execute(query).fetchall())


def test_a_mixed_run_lands_what_is_good_and_tells_the_rest(data: Path) -> None:
    put_files(data, "market_quote", {f"{number:03}.csv": "good" for number in range(60)})
    put_files(data, "enterprise", {"1.csv": "good", "2.csv": "refused", "3.csv": "good"})
    put_files(data, "emission_factor", {"1.csv": "refused"})
    runs, seen = run(data, "market_quote", "enterprise", "emission_factor", "footprint_activity")

    # Every file once, as received.
    assert list_landed(data, "market_quote") == [f"{number:03}.csv" for number in range(60)]
    assert list_states(seen, "land_market_quote")[:2] == [("find", -1, "success"), ("land", 0, "success")]
    assert set(list_states(seen, "land_market_quote")[2:]) == {("announce", -1, "success"), ("confirm", -1, "success")}
    assert runs.states["land_market_quote"] == "success"

    # A refused file: its task fails at once and names it, the files beside it land, and the release hears of them.
    assert runs.states["land_enterprise"] == "failed"
    assert list_states(seen, "land_enterprise")[1:] == [("land", 0, "failed"), ("announce", -1, "success")]
    assert not any((data / "inbox" / "enterprise").iterdir())
    assert len(runs.refused) == 2
    assert all(part in runs.refused[0] for part in ("enterprise", "2.csv", "没有数据行", "no data rows"))

    # Nothing landed, so nothing is announced.
    assert ("announce", -1, "skipped") in list_states(seen, "land_emission_factor")
    assert count_asset_events(data) == {"tanlian://landing/market_quote": 1, "tanlian://landing/enterprise": 1}

    # A source with an empty inbox is not run at all; the release runs once, last.
    assert "land_footprint_activity" not in runs.states
    assert [place for place, call in enumerate(read_calls(data)) if call == ["release"]] == [len(read_calls(data)) - 1]
    assert (runs.release, runs.broken, runs.exit_code) == ("published", [], 0)


def test_groups_keep_the_order_whatever_order_their_tasks_run_in(data: Path) -> None:
    files = [f"{number:03}.csv" for number in range(90)]
    put_files(data, "market_quote", dict.fromkeys(files, "good"))
    put_files(data, "enterprise", {name: "breaks" if name == "027.csv" else "good" for name in files})
    put_files(data, "emission_factor", {"unlistable": ""})
    refuse_release(data)
    runs, seen = run(data, "market_quote", "enterprise", "emission_factor", groups=4)

    assert list_landed(data, "market_quote") == files
    assert runs.states["land_market_quote"] == "success"

    # A group behind a broken one leaves its files in the inbox, in order, for the next run; what landed before is announced.
    assert runs.states["land_enterprise"] == "failed"
    assert sorted(path.name for path in (data / "inbox" / "enterprise").iterdir()) == files[27:]
    assert {state for task, index, state in list_states(seen, "land_enterprise") if task == "land" and index in (2, 3)} == {"skipped"}
    assert "tanlian://landing/enterprise" in count_asset_events(data)

    # A source whose inbox cannot even be listed: that is all there is to tell.
    assert list_states(seen, "land_emission_factor") == [("find", -1, "failed"), ("announce", -1, "skipped")]
    assert [text.split(":")[0] for text in runs.broken] == ["land_enterprise.land", "land_emission_factor.find"]

    assert (runs.release, runs.exit_code) == ("refused", 1)
    assert "marts.footprint" in runs.refused[-1]


def test_what_connectors_bring_lands_and_a_failed_fetch_stops_no_landing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_STEEL_PCF", "http://client:s3cret@")
    connect(data, "enterprise", files={"1.csv": "good", "2.csv": "good"}, credential="steel_pcf")
    with DagRunner(data) as runner:
        seen: list[Progress] = []
        runs = runner.run(["market_quote", "enterprise"], seen.append)
        assert "land_market_quote" not in runs.states
        assert runs.states["land_enterprise"] == "success"
        assert list_landed(data, "enterprise") == ["1.csv", "2.csv"]
        ended = [task for task, _, state in list_states(seen, "land_enterprise") if state == "success"]
        assert ended.index("fetch") < ended.index("find") < ended.index("land")
        [handed] = (data / "credentials.jsonl").read_text(encoding="utf-8").splitlines()
        assert "s3cret" in handed

        connect(data, "enterprise", code=3)
        put_files(data, "enterprise", {"3.csv": "good"})
        runs = runner.run(["market_quote", "enterprise"], seen.append)
        assert runs.states["land_enterprise"] == "failed"
        assert list_landed(data, "enterprise") == ["1.csv", "2.csv", "3.csv"]
        assert ("fetch", -1, "failed") in list_states(seen, "land_enterprise")
        assert "web_page" in runs.refused[0]

        seen.clear()
        connect(data, "enterprise")
        runs = runner.run(["market_quote", "enterprise"], seen.append)
        assert runs.states["land_enterprise"] == "success" and ("land", 0, "success") not in list_states(seen, "land_enterprise")
    assert "s3cret" not in (data / "airflow" / "logs" / "run.log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize(
    ("release", "broken", "exit_code"),
    [("published", [], 0), ("nothing_new", [], 0), ("refused", [], 3), ("refused", ["x"], 1), ("broken", ["x"], 1)],
)
def test_exit_code_tells_refused_from_broken(release: str, broken: list[str], exit_code: int) -> None:
    assert DagRuns(release=release, broken=broken).exit_code == exit_code


def test_airflow_that_cannot_run_says_where_its_log_is(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANLIAN_AIRFLOW_DB", "sqlite:////nowhere/at/all.db")
    with pytest.raises(AirflowError) as caught:
        run(data)
    assert all(str(data / "airflow" / "logs" / "run.log") in caught.value.text(lang) for lang in ("zh", "en"))
