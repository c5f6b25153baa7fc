"""What workers know together: who owns which session, how many there are, what each worker counts."""
