"""What all laboratories share: flags and training settings."""
