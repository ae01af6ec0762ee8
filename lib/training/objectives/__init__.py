"""Losses, one module a subject."""
