"""What is done with a condensation: scores, report, history, estimate."""
