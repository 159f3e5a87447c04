"""Write the tables and plots of the page "Performance": ``python -m benchmarks.docs``.

They come from benchmarks/figures.json. ``--take FILE ...`` first replaces it by the
figures of these runs. They may be parts of one, as of ``python -m benchmarks --runs 3
--json FILE`` and ``python -m benchmarks --server redis82 --only stall scale --json
FILE``. Stalls are measured with jemalloc, which that server has. Plots need matplotlib,
which only requirements/bench.txt has.
"""

import argparse
import sys
from pathlib import Path

from . import published

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "docs" / "explanation" / "performance"
PLOTS = ROOT / "docs" / "images" / "performance"


def main() -> int:
    """Write all files, and print their number."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.docs", description=__doc__
    )
    parser.add_argument("--take", nargs="+", type=Path, default=[], metavar="FILE")
    options = parser.parse_args()
    if options.take:
        published.take(options.take)
    found = published.read()
    tables, series = published.tables(found), published.series(found)
    TABLES.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (TABLES / f"{name}.txt").write_text(text)
    from .plots import draw  # here, so that the tables need no matplotlib

    PLOTS.mkdir(parents=True, exist_ok=True)
    for name, data in series.items():
        draw(name, data, PLOTS)
    print(f"{len(tables)} tables and {2 * len(series)} plots are written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
