"""Quantizers and models of pictures."""
