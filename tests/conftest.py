"""No test may leave a process behind; those of the daemon switch it on for themselves."""

import os

os.environ["FASHIONTAG_DAEMON"] = "0"
