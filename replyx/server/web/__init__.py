"""Pages and scripts that ship with the appliance."""
