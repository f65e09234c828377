"""Measurements, each against a floor of the same run, since machines are shared and noisy."""
