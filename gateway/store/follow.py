"""A running process follows the changes that others write to the store."""

from collections.abc import Hashable

from sqlalchemy import select

from gateway.core.authority import AuthorityType
from gateway.errors import StateError
from gateway.store.database import latest_change
from gateway.store.schema import ChangeKind, changes
from gateway.store.snapshot import Snapshot
from gateway.store.store import Store

# Reading more rows than this one by one takes as long as reading all of them.
_SINGLE_CHANGES = 500


class Follower:
    """Polls the store for one process; not for use by two threads at a time."""

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._watch = store.database.watch()
        self._seen: tuple[Hashable, Hashable] | None = None
        self._place: Hashable = None
        self._is_other = False  # since the snapshot
        self._refused: tuple[Hashable, Hashable] | None = None
        self._snapshot: Snapshot | None = None

    def poll(self) -> Snapshot | None:
        """The state if it is not that of the last poll, else None; the first poll gives it always.

        Costs microseconds while nobody commits. Raises StateError if the store cannot be read, or
        if another one without any root CA took the place of one with some: it was lost then, and
        is not to be followed. The next poll tries again.
        """
        with self._database.errors("read"):
            seen = self._watch.look()
        if seen == self._seen:
            return None
        if seen == self._refused:
            raise self._lost()
        if self._place is not None and seen[0] != self._place:
            # Another database took the place of the store: what was read before says nothing now.
            self._database.forget_connections()
            self._is_other = True
        self._place = seen[0]
        snapshot = self._load(None if self._is_other else self._snapshot)
        if self._is_lost(snapshot):
            self._seen, self._refused, self._is_other = None, seen, True
            raise self._lost()
        is_news = snapshot is not self._snapshot
        # What was committed between look and load is in the snapshot, and costs one more look.
        self._snapshot, self._seen = snapshot, seen
        self._refused, self._is_other = None, False
        return snapshot if is_news else None

    def close(self) -> None:
        """No connection is held."""
        self._watch.close()

    def _is_lost(self, now: Snapshot) -> bool:
        """Whether no root is left for another reason than that the last one was removed."""
        old = self._snapshot
        if old is None or not _has_root(old) or _has_root(now):
            return False
        return self._is_other or now.change_id < old.change_id

    def _lost(self) -> StateError:
        return StateError(
            f"the store {self._database.name} was replaced by one without any root CA, which is "
            "not followed: put the lost one back, or fill this one with `ca add` or `store restore`"
        )

    def _load(self, old: Snapshot | None) -> Snapshot:
        with self._database.reading() as connection:
            if old is None:
                return Snapshot.load(connection)
            change_id = latest_change(connection)
            if change_id == old.change_id:
                return old
            rows = connection.execute(
                select(changes.c.kind, changes.c.key)
                .where(changes.c.id > old.change_id)
                .limit(_SINGLE_CHANGES + 1)
            ).all()
            named = {(ChangeKind(kind), key) for kind, key in rows}
            is_other = change_id < old.change_id or (ChangeKind.STORE, "") in named
            if len(rows) > _SINGLE_CHANGES or is_other:
                return Snapshot.load(connection)
            return old.advance(connection, named, change_id)


def _has_root(snapshot: Snapshot) -> bool:
    kinds = (one.authority_type for one in snapshot.authorities.values())
    return AuthorityType.ROOT in kinds
