"""Around a condensation: scores, report, history, estimate."""
