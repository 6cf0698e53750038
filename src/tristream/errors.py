"""The one exception whose message is meant for the person at the terminal."""


class UserError(Exception):
    """Bad input: the message names the file, what is wrong and what to do.

    The command line prints it as one line and exits with status 2; nothing else in the
    package catches it.
    """
