"""The Stacked MNIST laboratory: which of 1,000 modes a generator reaches."""
