"""Questions whose answers are computed: one module a family."""
