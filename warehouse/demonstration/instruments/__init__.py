"""What policy instruments know of the synthetic country: compliance, credits, approvals, loans, standards, labels and tasks."""
