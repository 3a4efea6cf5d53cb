"""An explanation as people read it: the sentence first, then what to mend, then what was decided of late."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from extender.explain import Entry, Explanation, Nodes, SlotUse


def show(found: Explanation, console: Console | None = None) -> None:
    """Print it."""
    console = console or Console(highlight=False)
    where = f"runs on {found.node}" if found.node else "is not placed"
    console.print(f"[bold]{escape(found.pod)}[/bold] {where}; {escape(found.summary)}", soft_wrap=True)
    for table in (_claims(found), _objections(found), _placements(found), _decisions(found)):
        if table.row_count:
            console.print()
            console.print(table)


def _claims(found: Explanation) -> Table:
    table = _table("its claims", "claim", "class", "size", "state", "volume")
    for claim in found.claims:
        state = f"{claim.state} for {claim.selected_node}" if claim.selected_node and not claim.volume else claim.state
        table.add_row(*_cells(claim.name, claim.storage_class, claim.requested, state, claim.volume))
    return table


def _objections(found: Explanation) -> Table:
    table = _table("what keeps it off nodes", "rule", "nodes", "why", "what helps")
    for rule in found.rules:
        if rule.error:
            table.add_row(*_cells(rule.name, "all", rule.error, "mend it: nothing can be decided before"))
        for entry in rule.rejects:
            table.add_row(*_cells(rule.name, _nodes(entry.nodes), "\n".join(_why(entry)), entry.fix))
    return table


def _why(entry: Entry) -> Iterable[str]:
    yield entry.reason
    yield from (f"{told}" for told in entry.told if told != entry.reason)
    yield from (_slots(use) for use in entry.slots or ())
    if entry.largest_pool_bytes is not None:
        yield f"the largest pool within reach holds {entry.largest_pool_bytes / 2**30:.4g}Gi"


def _slots(use: SlotUse) -> str:
    return f"{_nodes(use.nodes)}: {use.used} of {use.limit} slots, by {', '.join(use.filled_by) or 'nothing'}"


def _placements(found: Explanation) -> Table:
    table = _table("what its claims would get where it suits", "claim", "volume", "nodes")
    for each in found.placements:
        table.add_row(
            *_cells(each.claim, each.volume or f"a new one of class {each.storage_class}", _nodes(each.nodes))
        )
    return table


def _decisions(found: Explanation) -> Table:
    table = _table("what the scheduler was answered", "when", "asked", "answer")
    for each in found.decisions:
        table.add_row(*_cells(each.time, each.verb, each.outcome))
    return table


def _nodes(nodes: Nodes) -> str:
    more = nodes.count - len(nodes.names)
    return f"{nodes.count}: {', '.join(nodes.names)}{f' and {more} more' if more else ''}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    return table


def _cells(*texts: str) -> Iterable[str]:
    return (escape(text) for text in texts)
