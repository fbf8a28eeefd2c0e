"""What goes wrong slowly: pure functions over stored series."""
