"""The Fashion-MNIST laboratory: dense and convolutional pairs."""
