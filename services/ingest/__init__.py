"""What is sent becomes facts: validate, decide, append, answer when durable."""
