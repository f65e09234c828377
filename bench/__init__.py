"""Measurements, each against a floor of the same run. Nothing here is a test: machines are shared and noisy."""
