"""Generate: text that goes on from a prompt, character by character."""
