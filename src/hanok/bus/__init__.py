"""Messages between processes: NATS, and the same in memory where all is one process.

Payloads are bytes; who sends and who receives agree on their form (`hanok.commands`). Subjects are dotted names.
Delivery is at most once: whoever needs more asks again.
"""

from __future__ import annotations

from hanok.bus.interface import Bus, Handler, Listening, NobodyThere
from hanok.bus.memory import MemoryBus
from hanok.bus.wakes import Wakes

__all__ = ["Bus", "Handler", "Listening", "MemoryBus", "NobodyThere", "Wakes"]
