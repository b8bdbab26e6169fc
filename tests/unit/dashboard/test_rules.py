"""The access rules that pages name are there, so that nothing stays hidden for a wrong name."""

from __future__ import annotations

import importlib
import re

from hanok.control import doors
from tests.unit.dashboard.texts import scripts

SERVICES = {
    "compute": "compute",
    "block-storage": "block_storage",
    "identity": "identity",
    "image": "image",
    "network": "network",
    "orchestration": "orchestration",
    "object-store": "object_storage",
    "load-balancer": "load_balancer",
    "alarming": "alarming",
    "metric": "metric",
    "shared-file-system": "shared_file_system",
}
_RULE = re.compile(r'\brule: (?:(A|E) \+ )?"([^"$]+)"|\brule: `\$\{A\}:(\w+)`')
_LISTED = re.compile(r'"((?:[a-z-]+)\|[a-z_:-]+)"')


def test_every_rule_that_a_page_names_is_one() -> None:
    known = {"hanok": {rule.name for rule in doors.RULES}}
    for kind, folder in SERVICES.items():
        module = importlib.import_module(f"hanok.services.{folder}.policy")
        known[kind] = {rule.name for rule in module.RULES}
    everywhere = set().union(*known.values())
    unknown = []
    for path in scripts():
        text = path.read_text()
        for prefix, name, _ in _RULE.findall(text):
            if name and not prefix and "|" not in name and name not in everywhere:
                unknown.append(f"{path.name}: {name}")
            elif (
                prefix == "A"
                and path.name == "servers.js"
                and f"os_compute_api:{name}" not in known["compute"]
            ):
                unknown.append(f"{path.name}: {name}")
        for pair in _LISTED.findall(text):
            kind, _, name = pair.partition("|")
            if kind in known and name not in known[kind]:
                unknown.append(f"{path.name}: {pair}")
    assert unknown == []


def test_actions_of_instances_name_rules_of_compute() -> None:
    from hanok.services.compute.policy import RULES

    known = {rule.name for rule in RULES}
    text = next(path for path in scripts() if path.name == "servers.js").read_text()
    named = re.findall(r'\b(?:act|ask)\("\w+", T\("[^"]+"\), "([^"]+)"', text)
    assert len(named) > 20
    assert {f"os_compute_api:{name}" for name in named} - known == set()
