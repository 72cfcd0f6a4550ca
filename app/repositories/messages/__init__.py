"""Messages of a conversation, appended in the order in which they are committed."""
