"""The command `pourparler` as a user: the user id comes before the arguments, "" for this user."""

import codecs
import os
import sys

from pourparler.cli.commands import run
from pourparler_service import server  # noqa: F401 - all is imported before the user changes

if __name__ == "__main__":
    if sys.argv[1]:
        user = int(sys.argv[1])
        for encoding in ("ascii", "idna", "latin-1"):
            codecs.lookup(encoding)  # imported now: the other user may not read the file later
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    sys.exit(run(sys.argv[2:]))
