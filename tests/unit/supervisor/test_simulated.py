"""The parent of a simulated cloud."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hanok.supervisor.answering import answers
from tests.ports import free_port

PARENT = """
import sys
from hanok.supervisor import simulated
simulated.STARTS_S, simulated.TERM_S = 0.5, 0.2
cloud = [sys.executable, "-c", sys.argv[2], sys.argv[1], sys.argv[3]]
sys.exit(simulated.Parent(cloud, "127.0.0.1", int(sys.argv[1]), 0.4).run())
"""
SLOW = """
import http.server, sys, time
open(sys.argv[2], "a").write("x")
time.sleep(3)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_start_that_takes_longer_than_it_may_comes_to_an_end_all_the_same(tmp_path: Path) -> None:
    """On a machine that is very busy each start would be cut off where the last one was."""
    port, starts = free_port(), tmp_path / "starts"
    words = (sys.executable, "-c", PARENT, str(port), SLOW, str(starts))
    parent = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not answers("127.0.0.1", port, timeout_s=5) and time.monotonic() < until:
            time.sleep(0.1)
        assert answers("127.0.0.1", port, timeout_s=5), f"{starts.stat().st_size} starts"
        assert starts.stat().st_size > 1
    finally:
        os.kill(parent.pid, signal.SIGTERM)
        parent.wait(60)
