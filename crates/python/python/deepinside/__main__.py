"""The command ``deepinside``, which the wheel installs: the program itself, in the package's native module."""

import signal
import sys

from . import _native


def main() -> int:
    """Does what the command line says; returns the exit code."""
    # Ctrl-C ends the program as it does everywhere, unless a command listens for it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.command_line(["deepinside", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
