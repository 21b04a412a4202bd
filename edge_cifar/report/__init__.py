"""What people look at: pictures of a run, tables, and one self-contained HTML page."""
