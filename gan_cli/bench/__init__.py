"""What ``gan-bench`` measures: how fast a run's configuration trains on this machine, and where its time goes."""
