"""Reports by users: verified, kept, never lost, never read by who was reported."""
