"""confirmation."""
