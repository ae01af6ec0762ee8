"""Generated token sequences with known structure."""
