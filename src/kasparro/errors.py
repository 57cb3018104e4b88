"""Errors in families by what the caller does next: retry, skip or abort.

Each carries a message for the person who reads the log at night: what happened and what to do about it.
"""


class KasparroError(Exception):
    """Base of every error of ours. `code` is stable, the message is for people."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class RetryError(KasparroError):
    """Passing trouble: the same call may succeed later. `retry_after_seconds` where the other side said when."""

    code = "retry"

    def __init__(self, message: str, *, code: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_seconds = retry_after_seconds


class SkipError(KasparroError):
    """This part cannot be had or used now; the source's other parts may be."""

    code = "skip"


class AbortError(KasparroError):
    """Nothing more can be had from here in this run: a wrong key, a spent month."""

    code = "abort"


class SettingsError(KasparroError):
    """A setting is wrong. The message names it and says what to write instead."""

    code = "settings"


class DatabaseError(KasparroError):
    """The database cannot be reached or is not in a state to work on."""

    code = "database"


class DataFolderHeldError(KasparroError):
    """Another `serve` holds the data folder. The message says which process."""

    code = "data_folder_held"


class RunOpenError(KasparroError):
    """Another run works. `run_id` names it."""

    code = "run_open"

    def __init__(self, run_id: int) -> None:
        super().__init__(f"run {run_id} is at work; wait for it to end (GET /runs/{run_id})")
        self.run_id = run_id


class RunLostError(KasparroError):
    """This run's lease passed to another process: nothing more may be written under it."""

    code = "run_lost"


class NotKnownError(KasparroError):
    """What was named does not exist: `listing_unknown`, `coin_unknown` or `judgement_unknown`."""

    code = "not_known"


class RefusedError(KasparroError):
    """What was asked for goes against what stands: `judgement_of_a_rule`, `judgement_contradicts`. The message says what."""

    code = "refused"
