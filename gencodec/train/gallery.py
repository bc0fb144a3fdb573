"""The pictures of a run: those there at the start, and those that come while it trains."""

from __future__ import annotations

import contextlib
import csv
import io
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gencodec.errors import OutputError
from gencodec.image import Pixels, atomic_write

from .checkpoint import CHECKPOINT
from .photos import Photo, PhotoFolder, Seen, Unreadable, split

PICTURES = "pictures.csv"
WATCH_SECONDS = 20.0

TRAINED, KEPT_OUT = "trained", "held out"


class Row(NamedTuple):
    """One picture of the list."""

    file: str
    sha256: str
    width: int
    height: int
    split: str


class Gallery:
    """Reads pictures and remembers them; ``run/pictures.csv`` lists each with its SHA-256.

    A run that goes on keeps to what its list says: what was trained on is trained on, what was held
    out is held out, and what has gone since stays listed.
    """

    def __init__(self, sources: Sequence[Path], run: Path, say: Callable[[str], None]) -> None:
        self._folder = PhotoFolder(sources)
        self._run = run
        self._say = say
        self._rows: list[Row] = []
        self._earlier = self._listed()
        trained, kept = (
            [row for row in self._earlier if row.split == part] for part in (TRAINED, KEPT_OUT)
        )
        self._seen = Seen(
            frozenset(row.sha256 for row in trained),
            frozenset(row.sha256 for row in kept),
            frozenset(row.file for row in kept),
        )
        self._arrived: queue.SimpleQueue[Photo] = queue.SimpleQueue()
        self._unwritten = False
        self._over = threading.Event()

    def read(self) -> Iterator[Photo]:
        """What is there and has not been read yet; what cannot be read is said."""
        for found in self._folder.new():
            if isinstance(found, Unreadable):
                self._say(f"skipped {found.name}: {found.reason}")
            else:
                yield found

    def _listed(self) -> list[Row]:
        """What the run's list says, if the run has begun."""
        path = self._run / PICTURES
        if not (self._run / CHECKPOINT).exists() or not path.exists():
            return []
        try:
            return [
                Row(row["file"], row["sha256"], int(row["width"]), int(row["height"]), row["split"])
                for row in read_rows(path)
            ]
        except (KeyError, TypeError, ValueError, OSError) as error:
            self._say(f"{path}: not a list of pictures, so what was held out is not known: {error}")
            return []

    def split(self, photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
        """(to train on, held out) of the pictures a run begins or goes on with."""
        return split(photos, self._seen)

    def settle(self, training: Sequence[Photo], kept: Sequence[Photo]) -> None:
        """Note which pictures are trained on and which are held out, and write the list.

        OutputError when it cannot be written; what is noted then stands in the next one.
        """
        self._seen = self._seen.and_of(training, kept)
        for photos, part in ((training, TRAINED), (kept, KEPT_OUT)):
            for photo in photos:
                height, width = photo.pixels.shape[:2]
                self._rows.append(Row(photo.name, photo.sha256, width, height, part))
        self._unwritten = True
        self.write_list()

    def write_list(self) -> None:
        """Write the list where it lacks something; OutputError when that cannot be."""
        if not self._unwritten:
            return
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(Row._fields)
        here = {(row.file, row.sha256) for row in self._rows}
        gone = [row for row in self._earlier if (row.file, row.sha256) not in here]
        table.writerows(sorted([*gone, *self._rows]))
        atomic_write(self._run / PICTURES, text.getvalue().encode(), overwrite=True)
        self._unwritten = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within, a thread reads what is added to the folders, for :meth:`arrivals`."""
        watcher = threading.Thread(target=self._watch, name="gallery", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            for photo in self.read():
                self._arrived.put(photo)
                if self._over.is_set():
                    return

    def arrivals(self) -> list[Pixels]:
        """The pictures to train on that have come since the last call.

        A list that cannot be written costs a line, and is written at a later call or by
        :meth:`write_list`.
        """
        arrived = []
        while not self._arrived.empty():
            arrived.append(self._arrived.get())
        training, kept = split(arrived, self._seen, first=False)
        try:
            if arrived:
                self.settle(training, kept)
            self.write_list()
        except OutputError as error:
            self._say(f"{error}; training goes on, and the list of pictures is written later")
        return [photo.pixels for photo in training]


def read_rows(path: Path) -> list[dict[str, str]]:
    """A list of pictures."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))
