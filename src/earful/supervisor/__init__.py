"""The parent of several worker processes: it forks them, replaces them, and ends them. It serves nothing itself."""
