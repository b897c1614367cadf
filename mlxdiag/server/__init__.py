"""The user's server, looked at from outside: requests, what came back, what that makes of it."""
