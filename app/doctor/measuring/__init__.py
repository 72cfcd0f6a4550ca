"""How a query runs: its plan, its round trips, and which queries a call runs."""
