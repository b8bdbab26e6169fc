"""The same is done to each resource of a stack: put to rest, woken, checked, or kept in a snapshot."""

from __future__ import annotations

from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.operations.passes import Ended, Passes


class Sweeping(Passes):
    """SUSPEND goes against the order of needs, the others along it. What does not exist is left out."""

    def _there(self) -> list[Part]:
        return [part for part in self.parts if part.replaced_by is None and part.action != "INIT"]

    def _is_done(self, part: Part) -> bool:
        return part.traversal == self.traversal and part.status != "IN_PROGRESS"

    def _can_begin(self, part: Part) -> bool:
        there = {one.id: one for one in self._there()}
        if self.stack.action == "SUSPEND":
            before = [one for one in there.values() if part.id in one.requires]
        else:
            before = [there[one] for one in part.requires if one in there]
        return all(self._is_done(one) for one in before)

    async def pass_(self) -> bool:
        action = self.stack.action
        moved = await self.ask([one for one in self.under_way() if one.action == action])
        begun = []
        for part in self._there():
            if self._is_done(part) or (part.status == "IN_PROGRESS" and part.action == action):
                continue
            if self._can_begin(part) and (action == "CHECK" or not self.failed()):
                self.start(part, action)
                begun.append(part)
        if begun:
            await self.begin(begun)
            await self.ask([one for one in begun if one.status == "IN_PROGRESS"])
        return moved or bool(begun)

    def ended(self) -> Ended:
        if [one for one in self.under_way() if one.action == self.stack.action]:
            return self.waiting()
        if self.failed():
            return "FAILED", self.why(), 0.0
        return "COMPLETE", f"Stack {self.stack.action} completed successfully", 0.0
