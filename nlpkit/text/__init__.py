"""Text: bytes to rows, rows to ids."""
