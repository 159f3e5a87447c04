"""The fault table: a line for each row when it has run, and all of them at the end."""

from typing import Any

import pytest

COLUMNS = {
    "row": 56,
    "product": 9,
    "mode": 6,
    "without a write": 16,
    "first success": 14,
    "confirmed": 10,
    "raised": 7,
    "lost": 5,
    "within": 8,
    "faults": 6,
}


class FaultTable:
    """Prints the rows that tests have recorded as the property "fault".

    Times are in seconds: the longest one without a confirmed write, and from the fault
    to the first success of a write that began after it. "within" is the time in which
    the lost writes were confirmed, and "faults" are those of indexes.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lines: list[str] = []
        self._count = 0

    @property
    def _reporter(self) -> Any:
        return self._config.pluginmanager.get_plugin("terminalreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        marked = [each for each in session.items if each.get_closest_marker("faults")]
        self._count = len(marked)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the row as soon as it is known."""
        figures = dict(report.user_properties).get("fault")
        if figures is None or report.when != "call":
            return
        known = {name: figures[name] for name in COLUMNS if name in figures}
        line = "".join(map(self._format, known, known.values()))
        line += "FAILED" if report.failed else figures.get("why", "")
        self._lines.append(line.rstrip())
        if self._reporter is not None:
            place = f"{len(self._lines)}/{self._count}"
            self._reporter.write(f"\n{place.ljust(8)}{line}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._lines:
            terminalreporter.section("faults")
            terminalreporter.write_line("".join(map(self._format, COLUMNS, COLUMNS)))
            for line in sorted(self._lines):
                terminalreporter.write_line(line)

    @staticmethod
    def _format(name: str, value: Any) -> str:
        text = f"{value:.2f}" if isinstance(value, float) else str(value)
        return text.ljust(COLUMNS[name])
