"""Small changes to a trained model."""
