"""A progress bar."""

import time


class Progress:
    """A bar with rate and remaining time, shown only on a terminal.

    ``with Progress(out, total) as progress: ... progress.show(done)``. Takes its line
    away at the end.
    """

    WIDTH = 30

    def __init__(self, out, total):
        self.out = out
        self.total = total
        self.is_shown = out.isatty()
        self.started_at = time.monotonic()

    def show(self, done):
        """Show that *done* of the total are done."""
        if not self.is_shown or not done:
            return
        rate = done / max(time.monotonic() - self.started_at, 0.001)
        bar = ("=" * round(self.WIDTH * done / self.total)).ljust(self.WIDTH)
        left = f"{(self.total - done) / rate:.0f} s left"
        text = f"[{bar}] {done:,} of {self.total:,}, {rate:,.0f}/s, {left}"
        self.out.write(f"\r{text.ljust(79)}", ending="")
        self.out.flush()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.is_shown:
            self.out.write(f"\r{' ' * 79}\r", ending="")
