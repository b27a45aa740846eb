"""No test may leave a process behind; those of the daemon switch it on for themselves."""

import os

os.environ["FASHIONTAG_DAEMON"] = "0"

from hypothesis import settings

# A timed test fails where somebody else uses the machine; a hang is pytest-timeout's business.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
