"""The presets for providers, against tokens shaped as their documentation shows."""
