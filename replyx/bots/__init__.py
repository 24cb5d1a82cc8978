"""The bot manager and the Telegram edge."""
