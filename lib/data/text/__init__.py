"""Documents, tokenizers and generated English."""
