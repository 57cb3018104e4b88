"""How far the streams of a source are. Pure."""

from collections.abc import Iterable, Sequence

from kasparro.records import Checkpoint, Page
from kasparro.sources.base import Stream


class Progress:
    """How far the streams of one source are, followed while a run commits parts."""

    def __init__(self, streams: Sequence[Stream], checkpoints: Iterable[Checkpoint]) -> None:
        self.streams = {s.name: s for s in streams}
        self._parts: dict[str, dict[str, Checkpoint]] = {s.name: {} for s in streams}
        for c in checkpoints:
            if c.stream in self._parts:
                self._parts[c.stream][c.part] = c
        for s in streams:
            if not self._parts[s.name]:
                self._parts[s.name][s.first_part] = Checkpoint(stream=s.name, part=s.first_part, ordinal=0)

    def parts(self, stream: str) -> list[Checkpoint]:
        """The known parts of a stream in order."""
        return sorted(self._parts[stream].values(), key=lambda c: (c.ordinal, c.part))

    def sweep(self, stream: str) -> int:
        """The number of the newest sweep that was begun; 0 before the first."""
        return max(c.sweep for c in self._parts[stream].values())

    def sweep_at_work(self, stream: str) -> int:
        """The sweep that a commit belongs to: the newest one, or the next where every part of that was committed."""
        return self.sweep(stream) + self.is_complete(stream) or 1

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

    def lay(self, stream: str, batches: Sequence[Checkpoint], gone: Sequence[str]) -> None:
        """Take over batches that were laid in place of parts."""
        parts = self._parts[stream]
        for part in gone:
            parts.pop(part, None)
        parts.update({c.part: c for c in batches})


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
    if page.is_index:
        return known, [c.part for c in parts if c.part not in {part.part, *page.next_parts}]
    return known, []
