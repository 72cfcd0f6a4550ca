"""Writes and reads of them, with a streaming replica, also while it is killed, promoted and rebuilt."""
