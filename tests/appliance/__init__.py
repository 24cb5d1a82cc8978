"""The appliance on a machine of its own: Debian, a booted systemd, the wheel, and nothing of this checkout."""
