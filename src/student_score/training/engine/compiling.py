"""What is compiled, and when: it takes seconds, where loading what was compiled before takes none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event

from student_score.training.engine.cache import is_marked


class First(event.Listener):
    """Calls a function at the first event that it hears of."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def on_start(self, event: event.Event) -> None:  # noqa: ARG002 - numba's signature
        """Something begins."""
        call, self.call = self.call, None
        if call is not None:
            call()

    def on_end(self, event: event.Event) -> None:
        """Something ends."""


@contextmanager
def on_compiling(call: Callable[[], None]) -> Iterator[None]:
    """Call a function, once, when something is compiled within the block."""
    with event.install_listener("numba:compile", First(call)):
        yield


def is_compiled(constants: tuple[int, ...]) -> bool:
    """Say whether the special kernel with these constants is kept on this machine."""
    return is_marked(constants)
