"""Plugins: what a stranger may add, and how it is found."""
