"""Sentiment: is a text good or bad, or whatever the labels say, and how sure are we."""
