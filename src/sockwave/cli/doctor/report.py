"""What the user reads, or a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from sockwave.cli.console import printable
from sockwave.cli.doctor.advice import FAULTS
from sockwave.cli.doctor.findings import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.cli.doctor.findings import Finding

__all__ = ["as_json_text", "is_well", "lines", "summary"]

_COLOURS: Final = {
    Verdict.GOOD: "green",
    Verdict.NOTE: "yellow",
    Verdict.WRONG: "red",
    Verdict.LEFT_OUT: "bright_black",
}
_INDENT: Final = " " * 26


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong; notes are not."""
    return all(finding.verdict is not Verdict.WRONG for finding in findings)


def lines(finding: Finding, told: set[str]) -> list[str]:
    """What is shown of a finding.

    Args:
        told: Faults whose advice has been shown; it is added there.
    """
    verdict = click.style(f"{finding.verdict:<9}", fg=_COLOURS[finding.verdict])
    text = [f"{verdict} {finding.check:<15} {printable(finding.saw)}"]
    if not finding.fault:
        return text
    advice = FAULTS[finding.fault]
    if finding.fault in told:
        return [*text, f"{_INDENT}{finding.fault}: see above"]
    told.add(finding.fault)
    text.append(f"{_INDENT}{finding.fault}: {advice.means}")
    for where, change in (
        ("nginx", advice.nginx),
        ("HAProxy", advice.haproxy),
        ("others", advice.others),
    ):
        if change:
            text.append(f"{_INDENT}{click.style(f'{where:<7}', bold=True)}  {change}")
    return text


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    looked = [finding for finding in findings if finding.verdict is not Verdict.LEFT_OUT]
    bad = sum(finding.verdict is Verdict.WRONG for finding in looked)
    notes = sum(finding.verdict is Verdict.NOTE for finding in looked)
    if not bad and not notes:
        return f"All {len(looked)} checks are good."
    return f"Of {len(looked)} checks {bad} found something wrong, {notes} have a note."


def _object(url: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """All of it, as values of JSON."""
    return {
        "url": url,
        "ok": is_well(findings),
        "findings": [_finding(finding) for finding in findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {
        "check": finding.check,
        "verdict": str(finding.verdict),
        "saw": finding.saw,
    }
    if finding.fault:
        advice = FAULTS[finding.fault]
        told |= {
            "fault": finding.fault,
            "means": advice.means,
            "change": {
                "nginx": advice.nginx,
                "haproxy": advice.haproxy,
                "others": advice.others,
            },
        }
    return told


def as_json_text(url: str, findings: Sequence[Finding]) -> str:
    """All of it as one JSON document."""
    return json.dumps(_object(url, findings), indent=2)
