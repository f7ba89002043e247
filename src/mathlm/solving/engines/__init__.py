"""Engines that generate tokens behind one protocol."""
