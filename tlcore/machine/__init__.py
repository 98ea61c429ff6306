"""The machine tlcore runs on: its cores and memory, its folders, files put in place at once, processes side by side."""
