"""What can stop a start: one clear sentence and one exit code each."""


class StartError(Exception):
    """Raised when Comity cannot start or go on; the text is a sentence for the person at the terminal."""

    exit_code = 70


class AlreadyRunning(StartError):
    """Raised when another process holds the lock of the data folder."""

    exit_code = 75


class FolderError(StartError):
    """Raised when the data folder cannot be made, written or entered."""

    exit_code = 73


class DiskFull(StartError):
    """Raised when the disk of the data folder has no room left."""

    exit_code = 74


class ProgramMissing(StartError):
    """Raised when a wheel brings no program for this platform, or the program does not run here."""

    exit_code = 72


class WrongVersion(StartError):
    """Raised when another major version of PostgreSQL made the data folder."""

    exit_code = 65


class ServerDied(StartError):
    """Raised when a server ended before it answered."""

    exit_code = 70


class PortInUse(StartError):
    """Raised when another program listens where a process of ours wants to."""

    exit_code = 69
