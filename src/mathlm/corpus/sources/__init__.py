"""Readers that turn raw inputs into documents."""
