"""nlpkit's models over HTTP."""
