"""What the internet sends: requests, and what only looks like one, made to hang, fill, confuse or fell a server."""
