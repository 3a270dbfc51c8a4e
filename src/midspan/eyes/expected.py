"""An error that a notebook means to see: shown as one line, neither hidden nor a traceback."""

from __future__ import annotations

from types import TracebackType

from midspan.refusal import Refusal, need


class expected:  # noqa: N801  a verb in a `with` block, as pytest.raises
    """`with expected(InvalidStatus) as refused:` lets that error happen, and `refused` then shows it.

    Attributes:
        error: the exception, None before the block has ended. Its traceback is dropped, since that keeps alive
            all that the block had open.

    Raises:
        Refusal: nothing of that kind was raised in the block, or the kind is not a type of exception.
    """

    def __init__(self, kind: type[BaseException]) -> None:
        is_kind = isinstance(kind, type) and issubclass(kind, BaseException)
        need(is_kind, "a type of exception", kind, "Write `with expected(ValueError) as seen:`")
        self.kind, self.error = kind, None

    error: BaseException | None

    def __enter__(self) -> expected:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            raise Refusal(f"a {self.kind.__name__} in this block", "none", "What differs from the text above the cell?")
        if not isinstance(error, self.kind):
            return False
        self.error = error.with_traceback(None)
        return True

    def __str__(self) -> str:
        if self.error is None:
            return f"a {self.kind.__name__} is expected; nothing was raised so far"
        words = str(self.error)
        return f"{type(self.error).__name__}: {words}" if words else type(self.error).__name__

    __repr__ = __str__
