"""The first delivery of the readmes, run as a reader would type it: the receipt printed there is the one that comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}


def read_blocks(page: Path) -> list[str]:
    """The code blocks of a page, in order."""
    return re.findall(r"^```\w*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run_shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script in a folder of its own, with the checkout's commands where the readme says they are."""
    environment = os.environ | {"TANLIAN_DATA": str(folder / "data"), "COLUMNS": "80"}
    script = re.sub(r"TANLIAN_DATA=\S+ ", "", script).replace(".venv/bin/tanlian", str(Path(sys.executable).with_name("tanlian")))
    script = re.sub(r"/path/of/your/choice|/自选/目录", str(folder / "data"), script).replace(".venv/bin/python", sys.executable)
    return subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def strip_lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_first_delivery_of_the_readme_gives_the_receipt_it_shows(lang: str, tmp_path: Path) -> None:
    blocks = read_blocks(READMES[lang])
    [place] = [index for index, block in enumerate(blocks) if block.startswith("cat > quotes.csv")]
    ran = run_shell(blocks[place], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert strip_lines(ran.stdout) == strip_lines(blocks[place + 1])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_walk_through_of_the_readme_ends_accepted(lang: str, tmp_path: Path) -> None:
    """First delivery, refused, repaired, accepted: each block in turn gives what stands below it, and the row is settled."""
    blocks = read_blocks(READMES[lang])
    [first] = [index for index, block in enumerate(blocks) if block.startswith("cat > quotes.csv")]
    [second] = [index for index, block in enumerate(blocks) if "quotes_corrected.xlsx" in block and "openpyxl" in block]
    assert second == first + 2
    for place in (first, second):
        ran = run_shell(blocks[place], tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert strip_lines(ran.stdout) == strip_lines(blocks[place + 1])
    listed = run_shell(f".venv/bin/tanlian --json --lang {lang} quarantine list --state all", tmp_path)
    assert '"state": "closed"' in listed.stdout and '"settled_by": 2' in listed.stdout


def test_corrected_row_lands_and_more_bad_rows_refuse_the_file(tmp_path: Path) -> None:
    """What the readme says of the same file corrected, and of one with two bad rows of six."""
    [script] = [block for block in read_blocks(READMES["en"]) if block.startswith("cat > quotes.csv")]
    write, deliver = script.split("\nEND\n")
    command = deliver.replace("--lang en", "--json --lang en")
    first, corrected, worse = (
        run_shell(f"{text}\nEND\n{command}", tmp_path)
        for text in (write, write.replace("-80000", "80000"), write.replace("120,000", "-1").replace("70000", "-7"))
    )
    assert first.returncode == corrected.returncode == 0 and worse.returncode == 3
    assert '"accepted": 1' in corrected.stdout and '"duplicate": 5' in corrected.stdout
    assert '"verdict": "rejected"' in worse.stdout
