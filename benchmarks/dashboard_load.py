"""How long readers wait for dashboards when many look at once: `python -m benchmarks.dashboard_load DATA [--readers 20] [--seconds 60] [--pause 10]`.

DATA is a data directory with a release, whose Superset runs (`make up`). Each reader opens one dashboard after the other and asks for
its charts through the chart data API, six at a time as a browser does; a request that fails ends the run. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import httpx

from dashboards import server
from dashboards.client import SupersetClient

AT_ONCE = 6
SLOWEST = 8


@dataclass
class Waits:
    """Seconds of every request by chart, and of every whole page by dashboard."""

    charts: dict[str, list[float]] = field(default_factory=dict)
    pages: dict[str, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: dict[str, list[float]], name: str, seconds: float) -> None:
        with self.lock:
            kind.setdefault(name, []).append(seconds)


def read_pages(client: SupersetClient) -> dict[str, dict[str, str]]:
    """Dashboard -> chart's title -> the query that its page sends first."""
    pages: dict[str, dict[str, str]] = {}
    for row in client._list_all("dashboard", "columns:!(id,slug),"):
        charts = client._ask("GET", f"/api/v1/dashboard/{row['id']}/charts").json()["result"]
        contexts = {}
        for chart in charts:
            told = client._ask("GET", f"/api/v1/chart/{chart['id']}").json()["result"]
            contexts[told["slice_name"]] = told["query_context"]
        pages[row["slug"]] = contexts
    return pages


def read_reader(
    client: SupersetClient, pages: dict[str, dict[str, str]], waits: Waits, until: float, first: int, force: bool, pause: float
) -> None:
    """Open page after page until the time is over, beginning with another one than the others do; over connections of one's own."""
    slugs = sorted(pages)
    turn = first
    own = httpx.Client(
        base_url=client._http.base_url,
        headers=client._http.headers,
        cookies=client._http.cookies,
        timeout=client._http.timeout,
        limits=httpx.Limits(max_connections=AT_ONCE),
        trust_env=False,
    )
    with own as http, ThreadPoolExecutor(AT_ONCE) as pool:
        while time.perf_counter() < until:
            slug = slugs[turn % len(slugs)]
            started = time.perf_counter()
            list(pool.map(lambda item: ask(http, item[0], item[1], waits, force), pages[slug].items()))
            waits.add(waits.pages, slug, time.perf_counter() - started)
            turn += 1
            time.sleep(pause)


def ask(http: httpx.Client, title: str, context: str, waits: Waits, force: bool) -> None:
    started = time.perf_counter()
    answer = http.post("/api/v1/chart/data", json=json.loads(context) | {"force": force})
    if answer.status_code != 200:
        raise RuntimeError(f"{title}: {answer.status_code} {answer.text[:300]}")
    waits.add(waits.charts, title, time.perf_counter() - started)


def find_percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def summarise(waits: Waits, readers: int, seconds: float, disclosures: int) -> dict[str, object]:
    every = [second for found in waits.charts.values() for second in found]
    whole = [second for found in waits.pages.values() for second in found]
    slowest = sorted(waits.charts.items(), key=lambda item: -find_percentile(item[1], 95))[:SLOWEST]
    return {
        "readers": readers,
        "seconds": round(seconds, 1),
        "disclosures": disclosures,
        "requests": len(every),
        "pages": len(whole),
        "chart_p50_s": round(statistics.median(every), 3),
        "chart_p95_s": round(find_percentile(every, 95), 3),
        "page_p50_s": round(statistics.median(whole), 3),
        "page_p95_s": round(find_percentile(whole, 95), 3),
        "slowest_charts_p95_s": {title: round(find_percentile(found, 95), 3) for title, found in slowest},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard_load", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0, help="seconds that a reader looks at a page before the next; by itself none")
    parser.add_argument("--language", choices=("zh", "en"), default="zh")
    parser.add_argument("--uncached", action="store_true", help="ask the release every time, as the first reader of it does")
    options = parser.parse_args()
    running = server.find(options.data)
    if running is None:
        raise SystemExit("Superset does not run for this data directory: make up")
    release = (options.data / "releases" / "current" / "ministry.duckdb").resolve()
    with duckdb.connect(str(release), read_only=True) as connection:
        disclosures = int((connection.execute("select count(*) from marts.footprint__products").fetchone() or (0,))[0])
    waits = Waits()
    with SupersetClient(running.url, running.user, running.password) as client:
        pages = {slug: charts for slug, charts in read_pages(client).items() if slug.endswith(options.language)}
        until = time.perf_counter() + options.seconds
        started = time.perf_counter()
        with ThreadPoolExecutor(options.readers) as pool:
            jobs = [
                pool.submit(read_reader, client, pages, waits, until, first, options.uncached, options.pause)
                for first in range(options.readers)
            ]
            for job in jobs:
                job.result()
        took = time.perf_counter() - started
    print(json.dumps(summarise(waits, options.readers, took, disclosures), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
