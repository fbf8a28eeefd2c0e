"""What scrapers report of accounts, as figures: by account, group, platform and day."""
