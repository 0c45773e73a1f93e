"""Write what is made of the list of metrics: the table of docs/metrics.md, and the dashboard.

python -m scripts.metrics_docs
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sockwave.metrics import METRICS

if TYPE_CHECKING:
    from sockwave.metrics import Metric

__all__ = ["DASHBOARD", "PAGE", "dashboard", "page", "queries", "table"]

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "metrics.md"
DASHBOARD: Final = ROOT / "src" / "sockwave" / "metrics" / "grafana.json"

BEGIN: Final = "<!-- made by scripts/metrics_docs.py -->\n"
END: Final = "<!-- as far as here -->\n"

WIDTH: Final = 12
HEIGHT: Final = 8


def table() -> str:
    """All metrics, as they stand on the page."""
    rows = ["| metric | kind | labels | what |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.exposed}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    """The page, with the table of now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def queries(metric: Metric) -> list[tuple[str, str]]:
    """What is asked of a metric, each with its legend."""
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    by = f" by ({', '.join(metric.labels)})" if metric.labels else ""
    if metric.kind == "histogram":
        labels = ", ".join((*metric.labels, "le"))
        rate = f"sum by ({labels}) (rate({metric.name}_bucket[$__rate_interval]))"
        return [
            (f"histogram_quantile({share}, {rate})", f"{legend} {share:.0%}".strip())
            for share in (0.5, 0.99)
        ]
    if metric.kind == "counter":
        return [(f"sum{by} (rate({metric.exposed}[$__rate_interval]))", legend or "all")]
    return [(f"{metric.adds}{by} ({metric.exposed})", legend or "all")]


def dashboard() -> dict[str, Any]:
    """A panel for each metric."""
    return {
        "title": "Sockwave",
        "uid": "sockwave",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "15s",
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus"}],
        },
        "panels": [_panel(at, metric) for at, metric in enumerate(METRICS)],
    }


def _panel(at: int, metric: Metric) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    unit = {"seconds": "s", "bytes": "Bps" if metric.kind == "counter" else "bytes"}
    plain = "cps" if metric.kind == "counter" else "short"
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": metric.name.removeprefix("sockwave_").replace("_", " "),
        "description": metric.help,
        "datasource": source,
        "gridPos": {"x": at % 2 * WIDTH, "y": at // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit.get(metric.unit, plain)}, "overrides": []},
        "targets": [
            {"refId": chr(65 + number), "datasource": source, "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(queries(metric))
        ],
    }


def main() -> None:
    """Write both."""
    PAGE.write_text(page(PAGE.read_text()))
    DASHBOARD.write_text(json.dumps(dashboard(), indent=2) + "\n")


if __name__ == "__main__":
    main()
