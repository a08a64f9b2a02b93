"""The application's own version, read by packaging and by /version."""

VERSION = "0.1.0"
