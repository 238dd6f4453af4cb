"""What `relay init` does: answers -> settings that load, secrets in files of their own, and the broker's part."""
