"""Device profiles: built for Apple, Intune and Android, and read again in each of these forms."""
