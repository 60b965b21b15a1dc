"""Files and folders that appear under their names whole or not at all.

Both are made beside their final place under names that begin with `PREFIX`, and renamed when complete.
Whoever makes one holds a lock of the system on it. What nobody holds was left by a process that died, and is
removed by the next one that makes the same file, or any folder in the same place.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PREFIX = ".unfinished-"
_LONGEST = 100  # characters of a file's name in that of its unfinished one: names have an end


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path`, in one move, when the block ends without an error.

    Its bytes are on the disk before: a reader sees the old file or the new one, also after a crash.

    Args:
      path: of the file; its folder must exist.

    Yields:
      The unfinished file, open for writing bytes.

    Raises:
      OSError: if it cannot be written; an old file stays, and nothing is left behind.
    """
    remove_leftovers(path.parent, path.name)
    try:
        unfinished, file = _opened(path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error
    with file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename in (None, str(unfinished)):
                error.filename = str(path)  # a full disk names no file
            raise


def write(path: Path, content: bytes | memoryview) -> None:
    """Writes a file as `atomic`, with the same errors."""
    with atomic(path) as file:
        file.write(content)


@contextlib.contextmanager
def staging(top: Path) -> Iterator[Path]:
    """A folder below `top` to make something in, which `publish` then moves; removed when the block ends."""
    remove_leftovers(top)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=top))
        held = os.open(folder, os.O_RDONLY)
        if _taken(held):
            break
        os.close(held)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def publish(made: Path, final: Path) -> None:
    """Moves a folder to its final place, where nothing may be yet, once every file in it is on the disk."""
    for path in made.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    os.rename(made, final)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Removes what dead processes left unfinished in a folder.

    Args:
      folder: need not exist.
      name: of the file that was to be made; empty: whatever was.
    """
    ending = f"-{name[-_LONGEST:]}" if name else ""
    try:
        found = [
            each for each in folder.iterdir() if each.name.startswith(PREFIX) and each.name.endswith(ending)
        ]
    except OSError:
        return
    for path in found:
        with contextlib.suppress(OSError):  # gone meanwhile, of another user, or on a disk without locks
            held = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            finally:
                os.close(held)


def is_held(lock: Path) -> bool:
    """Whether a process holds the lock of a file; those who only look do not see each other."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # none has been made, or nobody can make one
        return False
    return False


@contextlib.contextmanager
def claimed(lock: Path, wait: bool = True) -> Iterator[bool]:
    """Holds the lock of a file, which is made for it and removed at the end.

    Args:
      lock: path of the file.
      wait: whether to wait for another process that holds it.

    Yields:
      Whether the lock is held; always, where this waits.

    Raises:
      OSError: if the file cannot be made.
    """
    while True:
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            if os.fstat(file.fileno()).st_nlink == 0:
                continue  # who held it has removed the file while this waited
            try:
                yield True
            finally:
                lock.unlink(missing_ok=True)
            return


def _opened(path: Path) -> tuple[Path, BinaryIO]:
    while True:
        unfinished = path.with_name(f"{PREFIX}{uuid.uuid4().hex[:8]}-{path.name[-_LONGEST:]}")
        file = unfinished.open("xb")
        if _taken(file.fileno()):
            return unfinished, file
        file.close()


def _taken(held: int) -> bool:
    """Takes the lock of what was just made; False if somebody took it for a leftover in between."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk without locks, where nothing is removed as a leftover either
    return os.fstat(held).st_nlink > 0
