"""What a conversation shows over time, from behaviour and not from single words, read on the device only."""
