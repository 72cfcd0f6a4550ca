"""Everything that one user has: exported, imported, erased. Tables that are added later are found by themselves."""

from app.userdata.erasing import erase_user
from app.userdata.exporting import Export
from app.userdata.importing import check_lines, import_user
from app.userdata.lines import MEDIA_TYPE

__all__ = ["MEDIA_TYPE", "Export", "check_lines", "erase_user", "import_user"]
