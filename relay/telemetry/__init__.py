"""What relay tells of itself: log lines, the lines' health, progress, and word to systemd."""
