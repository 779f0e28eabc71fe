"""A page about scored rows, for those who have not scored them."""
