"""Language models, their generation and their bills."""
