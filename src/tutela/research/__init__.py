"""What a researcher runs: corpora in their formats, synthetic conversations, measures, training of the guard's model.

Nothing here runs on a user's device. Corpora of real cases are read from where a researcher keeps them and are never
part of this project.
"""
