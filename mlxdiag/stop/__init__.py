"""Stop: the user's server and only it, on every host at once, and a look at what it left."""
