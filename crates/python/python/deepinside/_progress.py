"""Progress bars, where tqdm is installed."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, TypeVar

T = TypeVar("T")

#: Seconds before a bar appears by itself: what is quick needs none.
_PATIENCE = 2.0


def counted(things: Iterable[T], total: int, what: str, progress: bool | None) -> Iterator[T]:
    """The same things, with a bar while they are gone through.

    Parameters
    ----------
    progress : bool or None
        True for a bar at once, False for none; None for one where it takes longer, on a terminal or in a notebook.
    """
    if progress is False or (progress is None and total < 2):
        return iter(things)
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        if progress:
            raise ImportError("progress=True needs tqdm: pip install tqdm") from error
        return iter(things)
    shown: Any = tqdm(
        things, total=total, desc=what, delay=0 if progress else _PATIENCE, disable=False if progress else None, leave=False
    )
    return iter(shown)
