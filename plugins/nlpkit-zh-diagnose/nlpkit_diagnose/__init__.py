"""``nlpkit diagnose``: small sequence tasks with known answers."""
