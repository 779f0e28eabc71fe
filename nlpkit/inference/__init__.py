"""Inference: open a bundle, batch rows, answer; never torch."""
