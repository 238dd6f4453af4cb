"""Every provider's simulator in one application, with scripted faults, a virtual handset and clock."""
