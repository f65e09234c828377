"""What the actors tell the people who run them: log lines and metrics."""
