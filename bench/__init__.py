"""Measurements, each against a floor of the same run: machines are shared and noisy, and nothing is a test."""
