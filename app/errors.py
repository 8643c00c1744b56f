"""One family of errors: what may go wrong at an edge, in words an operator can read."""

from __future__ import annotations

from collections.abc import Sequence


class PowerHiveError(Exception):
    """Base of everything PowerHive raises on purpose. `str(error)` is a sentence for people."""


class ConfigError(PowerHiveError):
    """Deployment settings are missing or wrong. `problems` holds one sentence per setting."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class SettingError(PowerHiveError):
    """A run-time setting was given a value outside its bounds; the sentence names the field."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(sentence)


class NotFound(PowerHiveError):
    """What the request named does not exist (miner, model, source, command)."""


class Conflict(PowerHiveError):
    """The request is well formed, but a rule or the present state forbids it."""


class ChangedMeanwhile(Conflict):
    """Somebody else changed what this form was loaded with. `names`: which of its fields, in their order."""

    def __init__(self, names: Sequence[str], sentence: str) -> None:
        self.names = tuple(names)
        super().__init__(sentence)


class NotAllowed(PowerHiveError):
    """Whoever asks is known, but lacks the role for it. The sentence names the role."""


class WrongLogin(PowerHiveError):
    """Name and password do not belong together; which of the two is wrong is not said."""


class TooManyAttempts(PowerHiveError):
    """So many wrong passwords that the next one must wait `wait_s` seconds."""

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(f"Too many wrong passwords. Wait {wait_s} s and try again.")


class PlantError(PowerHiveError):
    """The plant did not give a usable answer. `kind` is a short stable word for counting and display.

    Kinds: unreachable, timeout, unauthorized, bad_request, http_error, too_large, not_json, wrong_shape,
    bad_number, redirect.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        self.kind = kind
        super().__init__(sentence)


class MinerError(PowerHiveError):
    """A miner did not do what was asked.

    `permanent`: asking again in a moment will not help (refused, unknown preset, no such call).
    `answered`: the miner answered, so a refusal is certain; False means that nobody knows what it did.
    `reached`: False where no connection came about, so the miner certainly never saw the request.
    """

    def __init__(
        self, sentence: str, *, permanent: bool = False, answered: bool = False, reached: bool = True
    ) -> None:
        self.permanent = permanent
        self.answered = answered
        self.reached = reached
        super().__init__(sentence)


class MinerUnauthorized(MinerError):
    """401 or 403: the API key is dead or missing, or the unlock password was refused (429: too often).

    `retry_after_s`: the lock-out the miner named, None where it named none.
    """

    def __init__(self, sentence: str, *, retry_after_s: int | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(sentence, permanent=False, answered=True)


class NotVnish(MinerError):
    """Something answers at this address, but it is not VNish firmware. `firmware` names it where known."""

    def __init__(self, sentence: str, *, firmware: str = "unknown") -> None:
        self.firmware = firmware
        super().__init__(sentence, permanent=True, answered=True)
