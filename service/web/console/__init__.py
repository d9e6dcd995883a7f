"""What moderators see of us: the queue, one flagged comment after the other, and their decisions."""
