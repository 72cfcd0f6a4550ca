"""Examine a database: what was found, how bad it is and what to do about it; writes only on request."""

from app.doctor.examination import examine
from app.doctor.findings import Finding, Level
from app.doctor.report import Report

__all__ = ["Finding", "Level", "Report", "examine"]
