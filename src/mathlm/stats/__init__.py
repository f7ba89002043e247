"""Estimators, intervals and paired tests."""
