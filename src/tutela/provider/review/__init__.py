"""Review: cases, decisions by two people, an audit log, and what is done to carry decisions out."""
