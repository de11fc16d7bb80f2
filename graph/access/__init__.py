"""Who may do what: tokens, the callers they stand for, and the page where people sign in."""
