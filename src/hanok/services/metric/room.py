"""What metric's handlers and loops work with."""

from __future__ import annotations

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.store import Database


class MetricSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    max_limit: of the items of a page. metrics_per_project, resources_per_project: that projects may make.
    polling_interval_s: how often the cloud measures its servers and the like; 0: never, whatever polling.yaml says.
    fold_after_s: how long measures wait before they become aggregates on disk; whoever reads sees them at once.
    telemetry_folder: has polling.yaml, pipeline.yaml, event_pipeline.yaml and event_definitions.yaml, as far as they
        are not to be the usual ones.
    scrape_token_file: the secret with which Prometheus reads /metrics (as a bearer's); empty: nobody does.
    """

    max_limit: int = 1000
    metrics_per_project: int = 100_000
    resources_per_project: int = 50_000
    polling_interval_s: int = 300
    fold_after_s: int = 600
    telemetry_folder: str = ""
    scrape_token_file: str = ""


class Metric(Struct, frozen=True, kw_only=True):
    clock: Clock
    database: Database
    settings: MetricSettings = MetricSettings()
