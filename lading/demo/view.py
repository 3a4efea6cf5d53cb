"""What a person sees of the demo: a live table on a terminal, plain lines elsewhere, and the final table on both."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_LINES: Final = 12
"""How many of the last lines the live view keeps."""


@dataclass(frozen=True)
class PodLine:
    """One row of the tables: a pod, where it is, what it mounts and why it is there, or why nowhere."""

    pod: str
    node: str
    volumes: Sequence[str]
    why: str
    right: bool | None = None


class View(Protocol):
    """Where the demo tells what happens."""

    def act(self, title: str) -> None:
        """A new step of the story begins."""

    def happened(self, what: str) -> None:
        """Something changed in the cluster."""

    def pods(self, lines: Sequence[PodLine]) -> None:
        """The pods as they now stand."""


class PlainView:
    """One line a happening, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console, self._started = console, time.monotonic()

    def act(self, title: str) -> None:
        self._console.print(f"\n== {title}", highlight=False, markup=False, soft_wrap=True)

    def happened(self, what: str) -> None:
        self._console.print(f"{self._seconds():5.1f}s  {what}", highlight=False, markup=False, soft_wrap=True)

    def pods(self, lines: Sequence[PodLine]) -> None:
        """Nothing: plain lines tell the changes, the final table the end."""

    def _seconds(self) -> float:
        return time.monotonic() - self._started


class LiveView:
    """A table that follows the pods, above the last happenings."""

    def __init__(self, live: Live) -> None:
        self._live, self._started = live, time.monotonic()
        self._title, self._table = "", Table()
        self._last: deque[str] = deque(maxlen=_LINES)

    def act(self, title: str) -> None:
        self._title = title
        self._last.append(f"[bold]== {escape(title)}[/bold]")
        self._draw()

    def happened(self, what: str) -> None:
        self._last.append(f"[dim]{time.monotonic() - self._started:5.1f}s[/dim]  {escape(what)}")
        self._draw()

    def pods(self, lines: Sequence[PodLine]) -> None:
        self._table = pod_table(lines)
        self._draw()

    def _draw(self) -> None:
        story = Panel(Text.from_markup("\n".join(self._last)), title=self._title)
        self._live.update(Group(self._table, story))


@contextmanager
def open_view(console: Console) -> Iterator[View]:
    """The view that suits where the output goes."""
    if not console.is_terminal:
        yield PlainView(console)
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield LiveView(live)


def pod_table(lines: Sequence[PodLine]) -> Table:
    """The columns pod · node · volumes · why, with a mark where the outcome has been judged."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), pad_edge=False)
    judged = any(line.right is not None for line in lines)
    if judged:
        table.add_column("", no_wrap=True)
    for column in ("pod", "node", "volumes"):
        table.add_column(column, no_wrap=True)
    table.add_column("why", ratio=1, overflow="fold")
    for line in lines:
        mark = [_mark(line.right)] if judged else []
        node = escape(line.node) or "[yellow]pending[/yellow]"
        table.add_row(*mark, escape(line.pod), node, "\n".join(map(escape, line.volumes)), escape(line.why))
    return table


def _mark(right: bool | None) -> str:
    return {True: "[green]ok[/green]", False: "[red]✗[/red]", None: ""}[right]
