"""Generators and critics: linen modules without training knowledge."""
