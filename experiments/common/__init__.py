"""The parts that all laboratories share: flags and training settings."""
