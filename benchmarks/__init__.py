"""What the performance promises are measured with: `make bench`."""
