"""What provider folders share. It knows no provider."""
