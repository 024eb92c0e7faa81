"""The result of `diagnose`: what was checked, what is off, and the same for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from vae_lib.diagnosis.findings import Finding, folded

# What is checked, in the order of the report.
CHECKS = ("KL formula", "draw", "gradient paths", "reconstruction", "weight", "ranges", "modes", "batch size")


class DiagnosisError(AssertionError):
    """Raised by `Diagnosis.raise_for_errors`; its text is the report, `diagnosis` the result."""

    def __init__(self, diagnosis: Diagnosis):
        super().__init__(f"\n{diagnosis}")
        self.diagnosis = diagnosis


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: one of `CHECKS`.
        status: "right", "wrong" or "open".
        because: why it is open, or the codes of the findings.
    """

    name: str
    status: str
    because: str = ""


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found. Printed, it is a text.

    Attributes:
        findings: what is off, a tuple of `Finding`, also notes; empty if nothing is.
        likelihood: the reconstruction loss that was recognized, with the scale that its weight implies where
            it has one; or None.
        beta: the weight of the KL term, or None where the likelihood has an unknown scale.
        unchecked: what could not be checked, and why.
        checks: a `Check` for each thing that was looked at.
        weight: the net weight of the KL term, in a sentence.
        remarks: what was taken for what.
        runs: how often the step was run.
    """

    findings: tuple[Finding, ...]
    likelihood: str | None = None
    beta: float | None = None
    unchecked: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    weight: str = ""
    remarks: tuple[str, ...] = ()
    runs: int = 0

    @property
    def codes(self) -> list[str]:
        """The codes of the findings, notes among them."""
        return [finding.code for finding in self.findings]

    @property
    def errors(self) -> list[Finding]:
        """The findings that are mistakes."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def notes(self) -> list[Finding]:
        """The findings that are none, if they are meant."""
        return [finding for finding in self.findings if finding.severity == "note"]

    @property
    def open(self) -> list[str]:
        """The names of the checks that could not be made."""
        return [check.name for check in self.checks if check.status == "open"]

    def raise_for_errors(self) -> Diagnosis:
        """Raise DiagnosisError if a finding is an error; else return the diagnosis itself."""
        if self.errors:
            raise DiagnosisError(self)
        return self

    def to_dict(self) -> dict:
        """The whole result in dictionaries, lists, strings and numbers, as JSON takes them."""
        return {
            "headline": self.headline,
            "findings": [asdict(finding) for finding in self.findings],
            "checks": [asdict(check) for check in self.checks],
            "likelihood": self.likelihood,
            "beta": self.beta,
            "weight": self.weight,
            "unchecked": list(self.unchecked),
            "remarks": list(self.remarks),
            "runs": self.runs,
        }

    def to_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    @property
    def headline(self) -> str:
        """The result in a line."""
        if self.errors:
            count = len(self.errors)
            codes = ", ".join(one.code for one in self.errors)
            return f"{count} thing{'s are' if count > 1 else ' is'} wrong: {codes}"
        weight = "" if self.beta is None else f", β = {self.beta:.3g}"
        what = f"{self.likelihood}{weight}" if self.likelihood else ""
        if len(self.open) == len(CHECKS):
            return "nothing could be checked"
        if self.open or (self.unchecked and not self.checks):
            rest = (
                f"not all could be checked; in the rest nothing wrong was found{': ' if what else ''}{what}"
            )
            return rest
        return f"nothing wrong found{': ' if what else ''}{what}"

    def __str__(self) -> str:
        lines = [folded(self.headline)] if not self.errors else []
        lines += [str(finding) for finding in self.findings]
        right = [check.name for check in self.checks if check.status == "right"]
        if right:
            lines.append(folded(f"right: {', '.join(right)}"))
        open_ = [check for check in self.checks if check.status == "open"]
        for why in dict.fromkeys(check.because for check in open_):
            names = ", ".join(check.name for check in open_ if check.because == why)
            lines.append(folded(f"open: {names}, because {why}"))
        if not self.checks:
            lines += [folded(f"not checked: {text}") for text in self.unchecked]
        if self.weight:
            lines.append(folded(f"weight: {self.weight}"))
        lines += [folded(remark) for remark in self.remarks]
        if self.runs:
            lines.append(
                f"your step was run {self.runs} times" if self.runs > 1 else "your step was run once"
            )
        return "\n".join(lines)

    __repr__ = __str__
