"""`python -m hanok.cli`: the same as the program `hanok`."""

from __future__ import annotations

import sys

from hanok.cli.main import main

sys.exit(main())
