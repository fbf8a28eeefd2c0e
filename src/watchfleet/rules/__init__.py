"""Alert rules: evaluation and the state machine."""
