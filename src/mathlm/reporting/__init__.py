"""Run directories to tables, figures and one HTML file."""
