"""What the test suites of applications can use."""
