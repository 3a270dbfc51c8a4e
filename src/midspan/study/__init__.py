"""JupyterLab on the course: its notebooks are trusted, its chatter goes to a file, and it ends without a trace."""
