"""News: what happened to resources, written in the transaction in which it happened, and told to whoever listens.

Calls between rooms go down; news goes up. A room that changes something emits an event into the transaction (the
outbox), so there is no news of what was rolled back, and none is lost when a process dies. One process of the cloud
dispatches: it reads what is new in order, hands it to its listeners, tells the others over the bus, and marks it told.
An event may be told twice after a crash, so listeners look at the rows rather than believe the event.

Who listens: operations that wait for a resource (`operations.Waiting(on=…)`), telemetry, live pages.

Source: the field's notifications (an event type, a publisher, a payload that names its version).
"""

from __future__ import annotations

from hanok.events.notifications import envelope, versioned
from hanok.events.outbox import Event, Outbox, made_by, noun_of

__all__ = ["Event", "Outbox", "envelope", "made_by", "noun_of", "versioned"]
