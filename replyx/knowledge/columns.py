"""What LanceDB answers, column by column, and integers as its filters want them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def columns(table: Any, *names: str) -> Iterator[Any]:
    """Rows of some columns, as tuples."""
    return zip(*(table[name].to_pylist() for name in names), strict=True)


def vectors_of(table: Any) -> NDArray[np.float32]:
    """The column of vectors as one matrix."""
    import numpy as np

    column = table["vector"].combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.float32] = np.asarray(values, dtype=np.float32).reshape(len(column), column.type.list_size)
    return matrix


def integers(values: Iterable[int]) -> str:
    """A list for a filter: integers of our own and nothing else."""
    return ", ".join(str(int(value)) for value in values)
