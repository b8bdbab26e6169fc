"""The versions that placement speaks: what each brought, in one line, and where it shows.

`docs/microversions.md` is made from this list, and a test holds it against what routes, bodies and answers declare.

Source: Placement API microversion history.
"""

from __future__ import annotations

import re

from hanok.web.microversions import Change, Range, Version

MICROVERSIONS = Range(
    header_type="placement",
    minimum=(1, 0),
    maximum=(1, 39),
    told_range=True,
    form=re.compile(r"(\d+)\.(\d+)"),
)
SINCE: dict[str, Version] = {"Cache-Control": (1, 15), "Last-Modified": (1, 15)}
"""Headers of answers that older versions do not have."""

_PROVIDERS, _CANDIDATES, _ALLOCATIONS = "resource providers", "allocation candidates", "allocations"
_CLASSES = "resource classes"

HISTORY: tuple[Change, ...] = (
    Change((1, 0), "The first version.", "everything"),
    Change((1, 1), "Providers are in aggregates.", "aggregates"),
    Change((1, 2), "Resource classes of operators.", _CLASSES),
    Change((1, 3), "Providers by aggregate.", _PROVIDERS),
    Change((1, 4), "Providers that have room.", _PROVIDERS),
    Change((1, 5), "All inventories of a provider are removed at once.", "inventories"),
    Change((1, 6), "Providers have traits.", "traits"),
    Change((1, 7), "A resource class is made by PUT, and no longer renamed.", _CLASSES),
    Change((1, 8), "Allocations name their project and user.", _ALLOCATIONS),
    Change((1, 9), "Usages of a project.", "usages"),
    Change((1, 10), "Candidates for an allocation.", _CANDIDATES),
    Change((1, 11), "Providers have a link to their allocations.", _PROVIDERS),
    Change((1, 12), "Allocations are told by provider, not in a list.", f"{_ALLOCATIONS}, {_CANDIDATES}"),
    Change((1, 13), "Allocations of several consumers at once.", _ALLOCATIONS),
    Change((1, 14), "Providers are in trees.", _PROVIDERS),
    Change((1, 15), "Answers say when they were true and that they must not be kept.", "headers"),
    Change((1, 16), "So many candidates and no more.", _CANDIDATES),
    Change((1, 17), "Candidates by trait, and their traits.", _CANDIDATES),
    Change((1, 18), "Providers by trait.", _PROVIDERS),
    Change((1, 19), "Aggregates are set with the generation of their provider.", "aggregates"),
    Change((1, 20), "A new provider is shown.", _PROVIDERS),
    Change((1, 21), "Candidates by aggregate.", _CANDIDATES),
    Change((1, 22), "Traits that must not be there.", f"{_PROVIDERS}, {_CANDIDATES}"),
    Change((1, 23), "Errors have codes.", "errors"),
    Change((1, 24), "Several sets of aggregates.", f"{_PROVIDERS}, {_CANDIDATES}"),
    Change((1, 25), "Groups of resources, each from one provider.", _CANDIDATES),
    Change((1, 26), "All of a provider may be reserved.", "inventories"),
    Change((1, 27), "Summaries tell of all classes, not only of those asked for.", _CANDIDATES),
    Change((1, 28), "Consumers have a generation.", _ALLOCATIONS),
    Change((1, 29), "Candidates from trees of providers.", _CANDIDATES),
    Change((1, 30), "Inventories and allocations change together.", "reshaper"),
    Change((1, 31), "Candidates from one tree.", _CANDIDATES),
    Change((1, 32), "Aggregates to stay out of.", f"{_PROVIDERS}, {_CANDIDATES}"),
    Change((1, 33), "Groups of resources have names.", _CANDIDATES),
    Change((1, 34), "Candidates say which provider each group is from.", f"{_CANDIDATES}, {_ALLOCATIONS}"),
    Change((1, 35), "Traits of the root of a tree.", _CANDIDATES),
    Change((1, 36), "Groups that must be in one part of a tree.", _CANDIDATES),
    Change((1, 37), "A provider can be moved to another tree.", _PROVIDERS),
    Change((1, 38), "Consumers have a type.", f"{_ALLOCATIONS}, usages"),
    Change((1, 39), "One trait of several.", f"{_PROVIDERS}, {_CANDIDATES}"),
)  # fmt: skip
