"""What is made of the list of metrics is current, and asks for metrics that there are."""

from __future__ import annotations

import json
import re

from scripts.metrics_docs import DASHBOARD, PAGE, dashboard, page
from sockwave import Server
from sockwave.metrics import METRICS
from sockwave.metrics.counts import Counts
from sockwave.metrics.families import families_of


def test_page_and_dashboard_are_those_of_the_list() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "python -m scripts.metrics_docs"
    assert json.loads(DASHBOARD.read_text()) == dashboard(), "python -m scripts.metrics_docs"


def test_each_query_names_a_metric_that_there_is() -> None:
    there = {
        f"{metric.exposed}_bucket" if metric.kind == "histogram" else metric.exposed
        for metric in METRICS
    }
    found = [
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"sockwave_\w+", target["expr"])
    ]
    assert set(found) == there


def test_a_scrape_has_the_metrics_of_the_list_and_no_other() -> None:
    names = [family.name for family in families_of(Counts(Server()).read())]
    assert names == [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
