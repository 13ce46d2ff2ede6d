"""What goes back to the sender of refused rows: their own file with each fault marked and explained, and a value proposed where one is sure."""
