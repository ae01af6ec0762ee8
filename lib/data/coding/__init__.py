"""Arithmetic coding, byte models and compressed text (notebook 03)."""
