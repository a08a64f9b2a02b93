"""Exit codes of ``python -m local`` and the one error type that carries them."""

EXIT_FAILED = 1
"""Something went wrong; the message says what and what to do."""

EXIT_USAGE = 2
"""The command line is wrong (argparse uses the same code)."""

EXIT_NO_ENGINE = 3
"""No container engine is available and none could be installed."""

EXIT_NOT_RUNNING = 4
"""The command needs the local AWS of this directory, and it isn't running."""


class LocalError(Exception):
    """A failure whose message is meant for the person at the terminal."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED):
        super().__init__(message)
        self.exit_code = exit_code
