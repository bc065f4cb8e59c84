"""What every protocol of the stack shares: settings, database, tables, DALI, VOSI, callers, metrics and errors."""
