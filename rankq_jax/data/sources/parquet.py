"""Parquet files with columns of numbers as a store, read by pyarrow where that is installed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.data.sources import columns, images, packages
from rankq_jax.data.sources.containers import reading
from rankq_jax.data.sources.limits import Budget
from rankq_jax.data.sources.stores import Declared

MARK = b"PAR1"  # that such a file begins with


class Parquet:
    """The rows of several files one after another, by column; a cell is a number, a vector or a picture.

    Attributes:
      source: what messages begin with.
    """

    container = "parquet"

    def __init__(self, source: str, files: Sequence[Path], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Reads what the files declare.

        Args:
          source: what messages begin with.
          files: in the order of their rows, at least one.
          shapes: of the cells of a column, where that is known.

        Raises:
          InputError: if pyarrow is missing, or a file is damaged or has other columns than the first.
        """
        packages.need("pyarrow", f"{source}: field 'data' is stored in parquet")
        from pyarrow import parquet

        self.source, self._shapes, self._files = source, shapes, list(files)
        self._budget = Budget(source, sum(path.stat().st_size for path in files))
        self._about = []
        for path in files:
            with reading(f"{path}: field 'data'"):
                with parquet.ParquetFile(path) as file:
                    self._about.append((file.metadata, file.schema_arrow))
            if self._about[-1][1].names != self._about[0][1].names:
                raise columns.refusal(
                    str(path), "data", f"has other columns than {files[0].name}", "get it again"
                )
        self.rows = sum(about.num_rows for about, _ in self._about)

    def names(self, group: str = "") -> list[str]:
        """As `Store.names`; dots in names make no groups."""
        return [] if group else list(self._about[0][1].names)

    def declared(self, key: str) -> Declared | None:
        """As `Store.declared`; a picture has the type uint8."""
        schema = self._about[0][1]
        if key not in schema.names:
            return None
        dtype = _dtype(schema.field(key).type)
        if dtype is None:
            return Declared((self.rows, *self._shapes.get(key, ())), np.dtype(np.uint8))
        if not _is_list(schema.field(key).type):
            return Declared((self.rows,), dtype)
        shape = self._shapes.get(key) or (self._values(key) // max(self.rows, 1),)
        return Declared((self.rows, *shape), dtype)

    def _columns(self, key: str) -> list[Any]:
        """What the files declare of a column, group by group."""
        with reading(f"{self.source}: field {key!r}"):
            groups = [
                about.row_group(index) for about, _ in self._about for index in range(about.num_row_groups)
            ]
            found = [group.column(index) for group in groups for index in range(group.num_columns)]
            return [c for c in found if c.path_in_schema == key or c.path_in_schema.startswith(f"{key}.")]

    def _values(self, key: str) -> int:
        return sum(max(column.num_values, 0) for column in self._columns(key))

    def read(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        """As `Store.read`."""
        from pyarrow import parquet

        wanted = [key for key in keys if self.declared(key) is not None]
        for key in wanted:
            self._check(key)
        parts: dict[str, list[np.ndarray]] = {key: [] for key in wanted}
        for path in self._files:
            with reading(f"{path}: field 'data'"):
                table = parquet.read_table(path, columns=wanted, partitioning=None)
            for key in wanted:
                parts[key].append(self._column(path, key, table.column(key)))
        return {key: np.concatenate(arrays) for key, arrays in parts.items()}

    def _check(self, key: str) -> None:
        """What a column declares fits into memory, by its numbers and by its pages."""
        about = self.declared(key)
        if about is None:
            return
        pages = sum(max(column.total_uncompressed_size, 0) for column in self._columns(key))
        numbers = max(math.prod(about.shape), self._values(key)) * about.dtype.itemsize
        self._budget.spend(key, pages + numbers)

    def _column(self, path: Path, key: str, column: Any) -> np.ndarray:
        """`[rows, ...]` of one file."""
        about = self.declared(key)
        assert about is not None
        rows, cell = len(column), about.shape[1:]
        if _dtype(column.type) is None:
            return images.decode(str(path), key, column.to_pylist(), cell)
        with reading(f"{path}: field {key!r}"):
            values = column.combine_chunks()
            holes, lengths = values.null_count, None
            if _is_list(values.type):
                lengths = values.value_lengths().to_numpy(zero_copy_only=False)
                values = values.flatten()
                while _is_list(values.type):
                    values = values.flatten()
                holes += values.null_count
        if holes:
            raise columns.refusal(
                str(path), key, "has rows without a number, of index 0 or later", "drop them"
            )
        if lengths is not None and cell and (lengths != cell[0]).any():
            row = int(np.argmax(lengths != cell[0]))
            has = f"has {lengths[row]} numbers at index {row}, not {cell[0]}"
            raise columns.refusal(str(path), key, has, "repair it")
        with reading(f"{path}: field {key!r}"):
            return values.to_numpy(zero_copy_only=False).reshape(rows, *cell)


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return types.is_list(kind) or types.is_fixed_size_list(kind) or types.is_large_list(kind)


def _dtype(kind: Any) -> np.dtype | None:
    """The type of the numbers of a column; None where there are none."""
    while _is_list(kind):
        kind = kind.value_type
    try:
        dtype = np.dtype(kind.to_pandas_dtype())
    except NotImplementedError:
        return None
    return dtype if dtype.kind in "biuf" else None
