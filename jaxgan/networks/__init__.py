"""Generators and critics: linen modules that do not depend on how they are trained."""
