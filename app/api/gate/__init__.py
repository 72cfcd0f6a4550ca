"""What stands before every route: the limits of a request, its token, and the headers of every answer."""

from app.api.gate.gate import Gate
from app.api.gate.headers import FixedHeaders

__all__ = ["FixedHeaders", "Gate"]
