"""The parts that the image laboratories share."""
