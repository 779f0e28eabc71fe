"""Cloze: the words that fit a blank."""
