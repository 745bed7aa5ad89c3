"""What is computed from content, on a device or by a list authority: pictures, later video, conversation, frames."""
