"""Run directories to tables, figures and one HTML file."""

from __future__ import annotations

from mathlm.reporting.summary import summary as summary
