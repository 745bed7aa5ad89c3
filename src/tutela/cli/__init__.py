"""What a person types: a thin skin over the rooms below."""
