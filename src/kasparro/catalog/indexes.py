"""What a catalog finds coins by: mappings that a draft shares with the catalog before it until they change."""

from collections.abc import Collection
from sys import intern
from typing import Any

import msgspec

from kasparro.catalog.entries import Entry


class OnWrite(msgspec.Struct):
    """A mapping of the previous catalog, copied when it first changes."""

    now: Any  # dict[K, V]
    own: bool = False

    def set(self, key: object, value: object) -> None:
        """Let a key have a value."""
        if self.now.get(key) != value:
            if not self.own:
                self._copy()
            self.now[key] = value

    def drop(self, key: object) -> None:
        """Forget a key."""
        if key in self.now:
            if not self.own:
                self._copy()
            del self.now[key]

    def _copy(self) -> None:
        self.now = dict(self.now)
        self.own = True


class Groups(OnWrite):
    """Which coins have a key: a bare coin key where one has it, as most do, and several in ascending order otherwise."""

    def move(self, coin_key: int, before: Collection[object], after: Collection[object]) -> None:
        """Let a coin that had the keys `before` have those of `after`."""
        if before == after:
            return
        for key in before:
            if key not in after:
                self._leave(key, coin_key)
        for key in after:
            if key not in before:
                self._join(key, coin_key)

    def _join(self, key: object, coin_key: int) -> None:
        found = self.now.get(key)
        if found is None:  # as for most
            self.set(key, coin_key)
        elif coin_key not in (keys := _several(found)):
            self.set(key, tuple(sorted((*keys, coin_key))))

    def _leave(self, key: object, coin_key: int) -> None:
        left = tuple(k for k in members(self.now, key) if k != coin_key)
        if not left:
            self.drop(key)
        else:
            self.set(key, left if len(left) > 1 else left[0])


def members(groups: Any, key: object) -> tuple[int, ...]:  # noqa: ANN401  # a mapping of any key to one coin key or several
    """The coins that have a key, ascending."""
    found = groups.get(key)
    return () if found is None else _several(found)


def _several(found: Any) -> tuple[int, ...]:  # noqa: ANN401  # a coin key or several
    return (found,) if isinstance(found, int) else found


def folded_symbol(text: str) -> str:
    """A symbol as it is looked up: in any case."""
    return text.upper()


def folded_address(text: str) -> str:
    """An address as it is looked up, on any chain: without regard to case. Whoever asks compares exactly what is found."""
    folded = text.casefold()
    return text if folded == text else folded


def symbols(entry: Entry | None) -> Collection[str]:
    """What the index by symbol has of a coin."""
    return () if entry is None else (intern(folded_symbol(entry.symbol)),)


def addresses(entry: Entry | None) -> Collection[str]:
    """What the index by address has of a coin."""
    if entry is None:
        return ()
    found = [folded_address(contract.address) for n in entry.listings for contract in n.contracts]
    return dict.fromkeys(found) if len(found) > 1 else found


def wrapped(entry: Entry | None) -> Collection[int]:
    """What the index of wrapped coins has of a coin."""
    return () if entry is None or entry.wraps is None else (entry.wraps,)
