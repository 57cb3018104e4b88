"""Which parts a run asks for, and in which order. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from kasparro.records import Checkpoint, Page, Record, Trigger
from kasparro.sources.base import Stream


class Due(Record, frozen=True, kw_only=True):
    """A part to ask for next."""

    stream: Stream
    checkpoint: Checkpoint  # what is known of the part so far
    sweep: int  # the sweep that committing it belongs to


class Progress:
    """How far the streams of one source are, followed while a run commits parts."""

    def __init__(self, streams: Sequence[Stream], checkpoints: Iterable[Checkpoint]) -> None:
        self.streams = {s.name: s for s in streams}
        self._parts: dict[str, dict[str, Checkpoint]] = {
            s.name: {s.first_part: Checkpoint(stream=s.name, part=s.first_part, ordinal=0)} for s in streams
        }
        for c in checkpoints:
            if c.stream in self._parts:
                self._parts[c.stream][c.part] = c

    def parts(self, stream: str) -> list[Checkpoint]:
        """The known parts of a stream in order."""
        return sorted(self._parts[stream].values(), key=lambda c: (c.ordinal, c.part))

    def sweep(self, stream: str) -> int:
        """The number of the newest sweep that was begun; 0 before the first."""
        return max(c.sweep for c in self._parts[stream].values())

    def swept_once(self, stream: str) -> bool:
        """Whether every known part has been committed at least once."""
        return all(c.sweep > 0 for c in self._parts[stream].values())

    def has_quotes(self) -> bool:
        """Whether some part with quotes has ever been committed, or the source has no quotes at all."""
        streams = [s.name for s in self.streams.values() if s.quotes]
        return not streams or any(self.sweep(name) > 0 for name in streams)

    def is_complete(self, stream: str) -> bool:
        """Whether the newest sweep has every known part."""
        newest = self.sweep(stream)
        return newest > 0 and all(c.sweep == newest for c in self._parts[stream].values())

    def commit(self, done: Checkpoint, known: Sequence[Checkpoint], gone: Sequence[str]) -> None:
        """Take over what a commit wrote."""
        parts = self._parts[done.stream]
        for part in gone:
            parts.pop(part, None)
        for c in known:
            parts.setdefault(c.part, c)
        parts[done.part] = done


def sweeps_due(progress: Progress, trigger: Trigger, now: datetime, *, refresh: timedelta, full: bool) -> dict[str, int]:
    """The sweep to work on, per stream that is due.

    A sweep that a kill or a limit left unfinished goes on. A new one begins for `full`, when the stream's own interval
    has passed, and for streams without one at each run; but not at a start shortly after another run, so that a process
    that restarts again and again does not spend the month's calls.
    """
    due: dict[str, int] = {}
    for stream in progress.streams.values():
        newest = progress.sweep(stream.name)
        if full or newest == 0:
            due[stream.name] = newest + 1
        elif not progress.is_complete(stream.name):
            due[stream.name] = newest
        else:
            began = min(c.committed_at for c in progress.parts(stream.name) if c.committed_at is not None)
            least = stream.interval or (refresh if trigger == "start" else timedelta(0))
            # A commit that lies in the future tells that the clock was set back; its age says nothing.
            if began > now or now - began >= least:
                due[stream.name] = newest + 1
    return due


def next_part(progress: Progress, due: Mapping[str, int], failed: set[tuple[str, str]]) -> Due | None:
    """The part to ask for next: first each stream's first part in the order of their use, then what remains of each."""
    best: tuple[tuple[int, int, int], Due] | None = None
    for name, sweep in due.items():
        stream = progress.streams[name]
        for c in progress.parts(name):
            if c.sweep >= sweep or (name, c.part) in failed:
                continue
            order = (int(c.ordinal > 0), stream.priority, c.ordinal)
            if best is None or order < best[0]:
                best = order, Due(stream=stream, checkpoint=c, sweep=sweep)
            break
    return best[1] if best else None


def known_after(progress: Progress, part: Checkpoint, page: Page) -> tuple[list[Checkpoint], list[str]]:
    """What an answer tells of its stream: (parts to come that it makes known, parts that the stream no longer has)."""
    parts = progress.parts(part.stream)
    names = {c.part for c in parts}
    new = [name for name in page.next_parts if name not in names]
    known = [
        Checkpoint(stream=part.stream, part=name, ordinal=part.ordinal + 1 + i) for i, name in enumerate(page.next_parts) if name in new
    ]
    if page.is_last:
        return known, [c.part for c in parts if c.ordinal > part.ordinal]
    if part.ordinal == 0 and progress.streams[part.stream].contracts == "of_part":  # an index of all platforms: others are gone
        return known, [c.part for c in parts if c.ordinal > 0 and c.part not in page.next_parts]
    return known, []
