"""Reading the evidence: findings, advice, rounds, the recommendation."""
