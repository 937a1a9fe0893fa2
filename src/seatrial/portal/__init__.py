"""The portal: the case, its people, its web pages. Only ``seatrial serve`` and ``seatrial audit`` enter here."""
