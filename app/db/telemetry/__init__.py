"""What operators see: spans, metrics, the slow-statement log."""
