"""What the house may ask of alarming."""

from __future__ import annotations

from hanok.events import Event
from hanok.services.alarming.logic import evaluating, events, telling
from hanok.services.alarming.room import Alarming, AlarmingSettings

__all__ = ["Alarming", "AlarmingSettings", "Alarms"]


class Alarms:
    """The room, for the house."""

    def __init__(self, room: Alarming) -> None:
        self.room = room

    async def evaluate(self) -> None:
        """Look at the alarms whose time has come."""
        while await evaluating.evaluate_due(self.room):
            pass

    async def tell(self) -> None:
        """Tell what is due."""
        while await telling.tell_due(self.room):
            pass

    async def hear(self, event: Event) -> None:
        await events.heard(self.room, event)
