"""Everything at a glance: what opens soon, what ages, who is busy; exports."""
