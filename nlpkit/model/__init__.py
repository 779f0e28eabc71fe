"""A saved model, and how it is run; never torch, but for what could not be exported."""
