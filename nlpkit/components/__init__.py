"""Our own components; the entry points of nlpkit's distribution name each, as a stranger's do."""
