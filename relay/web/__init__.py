"""HTTP from outside: the public listener, which AT&T and browsers call, and the admin listener, for this machine."""
