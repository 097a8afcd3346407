"""The claims study: what five reports say about GANs, tested."""
