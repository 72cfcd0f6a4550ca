"""How Alembic reaches the database; all of it is in `app.db.migrations`, for the command and the application alike."""

from logging.config import fileConfig

from alembic import context

from app.db.migrations import log_steps_only, run_offline, run_online

if context.config.config_file_name and context.config.cmd_opts:  # from the command line, not in-process
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    log_steps_only()

if context.is_offline_mode():
    run_offline()
else:
    run_online()
