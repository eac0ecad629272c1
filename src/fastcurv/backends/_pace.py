"""How long a kernel's work takes, learned from its calls, and whether several threads are worth it."""

from __future__ import annotations

#: shorter work stays on the calling thread: waking others takes some microseconds, or some dozens
WORTH_THREADS = 5e-5
#: what a call of a kernel takes besides
CALL = 3e-6
#: a guess at the seconds of one evaluation, until calls were timed
FIRST_GUESS = 2e-8
#: calls on several threads, each too short to tell what waking them took, before one thread is tried
DOUBTS = 8
#: calls of much the same pace after which it is known
SETTLED = 8


def worth_threads(seconds: float) -> bool:
    """Whether work of so many seconds, on one thread, is worth several."""
    return seconds >= WORTH_THREADS


class Pace:
    """Seconds that one evaluation takes on one thread.

    Several threads tell no more than what it takes at most. The guess rises slowly, for a call may be disturbed or the
    first one, which compiles, and falls at once.
    """

    def __init__(self):
        self.seconds = FIRST_GUESS
        self._alike = 0  # calls since the guess rose
        self._alone = False  # whether one thread was timed since
        self._doubts = 0

    def workers(self, evaluations: int, threads: int) -> int:
        """How many of the threads are worth it for so many evaluations."""
        seconds = self.seconds * evaluations
        is_trial = self._doubts >= DOUBTS and seconds < 4 * threads * WORTH_THREADS
        return threads if worth_threads(seconds) and not is_trial else 1

    def is_settled(self) -> bool:
        """Whether another call would be planned as the last one was."""
        return self._alike >= SETTLED and self._doubts == 0

    def note(self, seconds: float, evaluations: int, workers: int) -> None:
        """Learn from a call that took so long."""
        found = max(seconds - CALL, 1e-9) * workers / evaluations
        is_short = workers > 1 and seconds < 4 * WORTH_THREADS
        if is_short:
            found = min(found, self.seconds)
        rises = found > 2 * self.seconds and worth_threads(seconds)  # of less it does not matter
        self._alike = 0 if rises else self._alike + 1
        self._alone = not rises and (self._alone or (workers == 1 and seconds > 3 * CALL))
        self._doubts = self._doubts + 1 if is_short and not self._alone else 0
        self.seconds = min(found, 4 * self.seconds)
