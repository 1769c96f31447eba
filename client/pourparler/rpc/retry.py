"""The retry policy: when a failed call is sent again, and after what pause.

Pure but for the clock: it does not wait or send.
"""

import time
from collections.abc import Callable
from random import SystemRandom

from pourparler.errors import PourparlerError, ResourceExhaustedError, UnavailableError

_JITTER = SystemRandom().uniform
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class RetryBudget:
    """The time that one logical call may take, including its retries. One thread owns it."""

    def __init__(
        self,
        seconds: float,
        *,
        renew_token: Callable[[PourparlerError], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = _JITTER,
    ) -> None:
        self._renew_token = renew_token
        self._token_renewed = False
        self._clock = clock
        self._jitter = jitter
        self._deadline = clock() + seconds
        self._attempts = 0

    def remaining_seconds(self) -> float:
        """Return the seconds that are left."""
        return max(self._deadline - self._clock(), 0.0)

    def pause(self, error: PourparlerError) -> float | None:
        """Return the seconds to wait before the call is sent again, or None to give up.

        A call is sent again if it did not reach the service or its store, or if the service asks
        for a retry. A call with an expired token is sent again once, without a pause. Any other
        call would fail again.
        """
        if self._renew_token is not None and self._renew_token(error):
            first_time, self._token_renewed = not self._token_renewed, True
            return 0.0 if first_time else None
        if not is_retryable(error):
            return None
        # Full jitter: clients that failed together do not retry together.
        longest = min(_FIRST_PAUSE * 2**self._attempts, _LONGEST_PAUSE)
        pause = (error.retry_after or 0.0) + self._jitter(0.0, longest)
        self._attempts += 1
        return pause if pause < self.remaining_seconds() else None


def is_retryable(error: PourparlerError) -> bool:
    """Return True if the same request may succeed later."""
    return isinstance(error, UnavailableError) or (
        isinstance(error, ResourceExhaustedError) and error.retry_after is not None
    )
