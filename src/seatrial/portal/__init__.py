"""The portal: the case, its people, and what may be done. So far its pure part: states, rights, screening."""
