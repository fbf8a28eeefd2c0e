"""What an application calls to report to the fleet."""
